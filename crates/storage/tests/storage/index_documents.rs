//! Documents in the index, by both databases: their owners, and claims on them.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use rns_storage::{
    index::{
        Begun, Claim, DocumentOwner, Index, NewPath, RowKind, StoredDocument, Unused,
        postgres::PostgresIndex, sqlite::SqliteIndex,
    },
    objects::ObjectKey,
};
use rns_testing::{PostgresServer, Scratch};

use crate::{
    collection::everything,
    index::{derivation, nar, new, path, publish},
};

const HOUR: Duration = Duration::from_secs(3600);

fn document(key: &str, owner: DocumentOwner) -> StoredDocument {
    StoredDocument { key: ObjectKey::listed(key), owner }
}

/// The documents that something owns.
async fn needed(index: &dyn Index) -> BTreeSet<String> {
    let rows = index.documents(0, 100).await.unwrap();
    let needed = rows.into_iter().filter(|row| row.is_needed);
    needed.map(|row| row.key.to_string()).collect()
}

async fn suite(index: &dyn Index) {
    each_kind_belongs_to_something_else(index).await;
    one_that_is_removed_is_waited_for(index).await;
    a_log_belongs_to_a_path_that_its_pusher_names(index).await;
    a_claim_looks_again(index).await;
}

async fn each_kind_belongs_to_something_else(index: &dyn Index) {
    publish(index, 1, &[]).await;
    let (key, facts) = nar(2);
    index.put_nar(&key, &facts).await.unwrap();
    let made = NewPath { deriver: Some(derivation(100)), ..new(2, &[1]) };
    assert_eq!(index.begin_publish(&made, None).await.unwrap(), None);
    index.end_publish(&path(2).hash_part(), None).await.unwrap();
    let documents = [
        document("log/of-2", DocumentOwner::Derivation(derivation(100))),
        document("log/of-none", DocumentOwner::Derivation(derivation(101))),
        // The path itself is a derivation, for all that is known.
        document("log/of-1", DocumentOwner::Derivation(path(1))),
        document("realisations/1", DocumentOwner::Path(path(1).hash_part())),
        document("realisations/none", DocumentOwner::Path(path(9).hash_part())),
        document("debuginfo/2", DocumentOwner::Nar(key)),
        document("debuginfo/none", DocumentOwner::Nar(nar(9).0)),
        document("debuginfo/wrong", DocumentOwner::Nothing),
    ];
    let long_ago = SystemTime::UNIX_EPOCH + HOUR;
    let dated: Vec<_> = documents.iter().cloned().map(|one| (one, long_ago)).collect();
    index.enter_documents(&dated).await.unwrap();
    let expected = ["debuginfo/2", "log/of-1", "log/of-2", "realisations/1"];
    assert_eq!(needed(index).await, expected.map(str::to_owned).into());
    let keys = [documents[0].key.clone(), ObjectKey::listed("log/unknown")];
    assert_eq!(index.known_documents(&keys).await.unwrap(), [true, false]);
    let rows = index.documents(0, 100).await.unwrap();
    assert_eq!(rows.len(), documents.len());
    assert!(rows.iter().all(|row| row.touched == 3600));
    let owners = index.document_owners(rows[0].id, rows[7].id).await.unwrap();
    let owned: BTreeSet<i64> = owners.iter().map(|(document, _)| *document).collect();
    assert_eq!(owned, [0, 2, 3, 5].map(|row: usize| rows[row].id).into());
    assert!(index.documents(rows[7].id, 100).await.unwrap().is_empty());
}

async fn one_that_is_removed_is_waited_for(index: &dyn Index) {
    let rows = index.documents(0, 100).await.unwrap();
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let (claim, other) = (Claim::new(), Claim::new());
    let claimed = index.claim(RowKind::Documents, &ids, everything(), &claim).await.unwrap();
    assert_eq!(claimed.len(), 4, "those without an owner");
    let again = index.claim(RowKind::Documents, &ids, everything(), &other).await.unwrap();
    assert!(again.is_empty());
    let log = document("log/of-none", DocumentOwner::Derivation(derivation(101)));
    assert_eq!(index.begin_document(&log).await.unwrap(), Begun::Deleting);
    let held = claimed.iter().find(|claimed| claimed.name == "log/of-none").unwrap().id;
    assert!(index.holds(RowKind::Documents, held, &claim).await.unwrap());
    // Its collector gives up: a pusher goes on at once.
    index.give_back(RowKind::Documents, &[held], &claim).await.unwrap();
    assert_eq!(index.begin_document(&log).await.unwrap(), Begun::Young(log.owner.clone()));
    assert!(!index.holds(RowKind::Documents, held, &claim).await.unwrap());
    let ids: Vec<i64> = claimed.iter().map(|claimed| claimed.id).collect();
    index.end_claims(RowKind::Documents, &ids, &claim).await.unwrap();
    let left = index.documents(0, 100).await.unwrap();
    assert_eq!(left.len(), 5, "what is pushed meanwhile stays");
    let moment_ago = SystemTime::now() - HOUR;
    let unused = Unused { untouched_since: moment_ago, unread_since: moment_ago };
    let claimed = index.claim(RowKind::Documents, &[held], unused, &other).await.unwrap();
    assert!(claimed.is_empty(), "it is young");
    // The stored one turns out to belong to something else.
    let settled = StoredDocument { owner: DocumentOwner::Path(path(1).hash_part()), ..log };
    index.settle_document(&settled).await.unwrap();
    assert!(needed(index).await.contains("log/of-none"));
}

async fn a_log_belongs_to_a_path_that_its_pusher_names(index: &dyn Index) {
    let log = document("log/other", DocumentOwner::Derivation(derivation(102)));
    index.enter_documents(&[(log.clone(), SystemTime::UNIX_EPOCH)]).await.unwrap();
    assert!(!needed(index).await.contains("log/other"));
    index.note_built(&log.key, &path(8).hash_part()).await.unwrap();
    assert!(!needed(index).await.contains("log/other"), "that path is not here");
    index.note_built(&log.key, &path(1).hash_part()).await.unwrap();
    assert!(needed(index).await.contains("log/other"));
    // One that is here is not replaced by one that may go before it.
    index.note_built(&log.key, &path(8).hash_part()).await.unwrap();
    assert!(needed(index).await.contains("log/other"));
    let row = index.documents(0, 100).await.unwrap().into_iter().find(|row| row.key == log.key);
    let row = row.unwrap().id;
    assert_eq!(index.document_owners(row, row).await.unwrap().len(), 1);
    let claim = Claim::new();
    let claimed = index.claim(RowKind::Documents, &[row], everything(), &claim).await.unwrap();
    assert!(claimed.is_empty(), "its path is here");
}

async fn a_claim_looks_again(index: &dyn Index) {
    let key = "realisations/later";
    let later = document(key, DocumentOwner::Path(path(3).hash_part()));
    index.enter_documents(&[(later, SystemTime::UNIX_EPOCH)]).await.unwrap();
    let rows = index.documents(0, 100).await.unwrap();
    let row = rows.iter().find(|row| row.key.as_str() == key).unwrap();
    assert!(!row.is_needed);
    publish(index, 3, &[]).await;
    let claim = Claim::new();
    let claimed = index.claim(RowKind::Documents, &[row.id], everything(), &claim).await.unwrap();
    assert!(claimed.is_empty(), "its path was pushed");
}

#[tokio::test]
async fn sqlite() {
    let scratch = Scratch::new();
    suite(&SqliteIndex::new(scratch.join("index.sqlite"), true)).await;
}

#[tokio::test]
async fn postgres() {
    let Some(server) = PostgresServer::start() else { return };
    suite(&PostgresIndex::new(&server.url()).unwrap()).await;
}

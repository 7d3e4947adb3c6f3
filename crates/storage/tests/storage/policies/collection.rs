//! A collection, and the paths and documents that are there after it by the words of the policy.

use std::collections::{BTreeMap, BTreeSet};

use rns_formats::{HashPart, StorePath};
use rns_storage::{collect::collect, retention::Retention};

use super::{
    policy::Policy,
    world::{World, now},
};
use crate::{
    index::derivation,
    plan::{Case, NOW, Node},
};

/// The least time that a document stays, in seconds.
const DOCUMENT_GRACE: i64 = 24 * 3600;

impl World {
    /// The index as a case of the model, the paths by their numbers there, and the keys of NARs.
    async fn case(&self, retention: Retention) -> (Case, Vec<HashPart>, Vec<String>) {
        let mut snapshot = self.index().snapshot().await.unwrap();
        let (nars, rows) = (snapshot.nars(0).await.unwrap(), snapshot.paths(0).await.unwrap());
        let (edges, rooted) =
            (snapshot.edges((0, 0)).await.unwrap(), snapshot.rooted((0, 0)).await.unwrap());
        let model = NOW - now();
        let place = |id: &i64| rows.iter().position(|row| row.id == *id).unwrap();
        let nodes = rows.iter().map(|row| Node {
            state: row.state,
            touched: row.touched.max(row.published) + model,
            used: row.used + model,
            nar: row.nar.map_or(0, |nar| nars.iter().position(|row| row.id == nar).unwrap()),
            is_rooted: rooted.iter().any(|(_, path)| *path == row.id),
            references: edges
                .iter()
                .filter(|(referrer, _)| *referrer == row.id)
                .map(|(_, reference)| place(reference))
                .collect(),
        });
        let case = Case {
            nodes: nodes.collect(),
            nars: nars.iter().map(|nar| (nar.file_size, nar.touched + model)).collect(),
            retention,
            missing: 0,
        };
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let names: BTreeMap<i64, StorePath> =
            self.index().paths(&ids).await.unwrap().into_iter().collect();
        let hashes = ids.iter().map(|id| names[id].hash_part()).collect();
        let database = self.database();
        let key = |id: i64| {
            database
                .query_row("select key from nars where id = ?1", [id], |row| row.get(0))
                .unwrap()
        };
        (case, hashes, nars.iter().map(|nar| key(nar.id)).collect())
    }

    fn numbers(&self, hashes: impl IntoIterator<Item = HashPart>) -> BTreeSet<usize> {
        let number =
            |hash: HashPart| self.paths.iter().position(|path| path.hash_part() == hash).unwrap();
        hashes.into_iter().map(number).collect()
    }

    /// The documents that stay, by the words of the policy.
    fn kept_documents(
        &self,
        (case, keys): (&Case, &[String]),
        kept: &BTreeSet<usize>,
        in_case: &BTreeSet<usize>,
    ) -> BTreeSet<String> {
        let grace = DOCUMENT_GRACE.max(i64::try_from(case.retention.min_age.as_secs()).unwrap());
        let held: BTreeSet<usize> = in_case.iter().map(|node| case.nodes[*node].nar).collect();
        let nar_stays = |key: &str| {
            let nar = keys.iter().position(|known| known == key);
            nar.is_some_and(|nar| held.contains(&nar) || case.nars[nar].1 > case.young())
        };
        let rows = self.document_rows().into_iter().filter(|row| {
            let is_owned = match row.kind {
                1 => kept.iter().any(|path| derivation(*path as u64).as_str() == row.owner),
                2 => kept.iter().any(|path| self.paths[*path].hash_part().to_string() == row.owner),
                _ => nar_stays(&row.owner),
            };
            is_owned || row.touched > now() - grace || case.retention.keeps_everything()
        });
        let listings = kept.iter().map(|path| format!("{}.ls", self.paths[*path].hash_part()));
        rows.map(|row| row.key).chain(listings).collect()
    }

    pub(super) async fn collect(&self, policy: &Policy, meanwhile: Option<usize>) {
        let meanwhile = meanwhile.filter(|_| !policy.has_limits());
        let (case, ..) = self.case(policy.retention(0)).await;
        let present: u64 = case.nars.iter().map(|(size, _)| size).sum();
        let retention = policy.retention(present);
        let (case, hashes, keys) = self.case(retention.clone()).await;
        let in_case = case.kept();
        let kept = self.numbers(in_case.iter().map(|node| hashes[*node]));
        let documents = self.kept_documents((&case, &keys), &kept, &in_case);
        let collecting =
            async { collect(&self.fixture.storage, &retention, &|_| ()).await.unwrap() };
        let pushing = async {
            if let Some(top) = meanwhile {
                self.push(top).await;
            }
        };
        tokio::join!(collecting, pushing);
        let visible = self.visible().await;
        let Some(top) = meanwhile else {
            assert_eq!(visible, kept, "{retention:?}: {case:?}");
            assert_eq!(self.documents().await, documents, "{retention:?}: {case:?}");
            return;
        };
        // Paths that were pushed meanwhile are there as well, and may have kept others that were about to go.
        let needed: BTreeSet<usize> = kept.union(&self.closure(top)).copied().collect();
        assert_eq!(visible, needed, "{retention:?}: {case:?}");
        assert!(documents.is_subset(&self.documents().await), "{retention:?}: {case:?}");
    }
}

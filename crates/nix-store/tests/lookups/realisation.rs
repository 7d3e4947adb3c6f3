//! Realisations of content-addressed derivations.

use rns_cache::BinaryCache as _;
use rns_formats::{DrvOutputId, PublicKey, StorePath};
use rns_nix_store::{AbsentStore, LocalStore, StoreConfig};
use rns_testing::FixtureStore;

use crate::{config, open};

/// As Nix 2.8 left them after building two content-addressed derivations, `ca-top` from `ca-dep`,
/// with a key configured; less the columns that do not matter here.
const ROWS_OF_2_8: &str = "
insert into ValidPaths (id, path, hash, registrationTime, narSize) values
  (3, '/nix/store/828w7q9x671bmlxzmnil09w7fgxrvdda-ca-dep', 'sha256:7bdbc9e6407d9d3ed40adc64d746be6366b5f58ee668c6b02866008bbef57202', 1, 120),
  (5, '/nix/store/0zcralplgr4lsjkkmbj3lgwry2927f9b-ca-top+x=1-doc', 'sha256:632f82990eea9b8102bdb81380e3e73abb8b0450d1efae8a663615eacc9d4850', 1, 168),
  (6, '/nix/store/r7jgn72vg0grrm4608m3zpfk870bjf06-ca-top+x=1', 'sha256:098107854f413a74f5bc7ca546f17dbbd1261e1bba3b1448d2cb1edb03ed8e2d', 1, 168);
insert into Realisations (id, drvPath, outputName, outputPath, signatures) values
  (1, 'sha256:9e22415af8762cb2021e74e2e4619c000550231ef4f23257032bac6a544c6473', 'out', 3,
   'test-ca-1:OLNRfgLSTFCNUQPr22pXV9auUCBea340oRSrAn8pigx35MjxX/JFV3kXDfCdPogfZrO5eD9bQmqgONVwLazCCQ=='),
  (2, 'sha256:8eff9ff6408809f6a12da8ea1e6ae7a61654bb84fd22b7cec10da95ab46e01d7', 'doc', 5,
   'test-ca-1:q6Qc7AfyAGHDWznbacqkx4kOUgpG4QHpW6oOheNNPFxGCb56gLr/Pc4tiKovvQXMB8H4KT6dQTDimc3Zb4H9AQ=='),
  (3, 'sha256:8eff9ff6408809f6a12da8ea1e6ae7a61654bb84fd22b7cec10da95ab46e01d7', 'out', 6,
   'test-ca-1:iK5UZiVkApZEFiZCLLYyYikpRtH5Glx6uVOzMWhDvJ9MiBNhzmqT7aRfB7zLyN5qz03zUNZ1Gpw0idQ8FXzMBw=='),
  (4, 'sha256:a20b0f12f564aef2a7cc6bee51304e6fc1a5088cbe85f8dbbdbeee5ff85b374e', 'out', 6,
   'test-ca-1:LMLvsdrfodqBvwY84Spq5u92ile+2+/2fhyHE7T2KgrXYA5g8T904xVyiC32IBXIvTZRnqXz/zdsqKod2GZ1Dw==');
insert into RealisationsRefs (referrer, realisationReference) values (4, 1);
";

/// The key's public half.
const KEY: &str = "test-ca-1:wl78irekJGyvitVUhWRO2xMlzvqIr+15kkfWq2L4/cU=";

/// The same as the same Nix wrote it into a binary cache.
const FILES_OF_2_8: [&str; 2] = [
    r#"{"dependentRealisations":{},"id":"sha256:9e22415af8762cb2021e74e2e4619c000550231ef4f23257032bac6a544c6473!out","outPath":"828w7q9x671bmlxzmnil09w7fgxrvdda-ca-dep","signatures":["test-ca-1:OLNRfgLSTFCNUQPr22pXV9auUCBea340oRSrAn8pigx35MjxX/JFV3kXDfCdPogfZrO5eD9bQmqgONVwLazCCQ=="]}"#,
    r#"{"dependentRealisations":{"sha256:9e22415af8762cb2021e74e2e4619c000550231ef4f23257032bac6a544c6473!out":"828w7q9x671bmlxzmnil09w7fgxrvdda-ca-dep"},"id":"sha256:a20b0f12f564aef2a7cc6bee51304e6fc1a5088cbe85f8dbbdbeee5ff85b374e!out","outPath":"r7jgn72vg0grrm4608m3zpfk870bjf06-ca-top+x=1","signatures":["test-ca-1:LMLvsdrfodqBvwY84Spq5u92ile+2+/2fhyHE7T2KgrXYA5g8T904xVyiC32IBXIvTZRnqXz/zdsqKod2GZ1Dw=="]}"#,
];

fn id(hash: &str, output: &str) -> DrvOutputId {
    DrvOutputId::parse(&format!("sha256:{hash}!{output}")).unwrap()
}

fn top() -> DrvOutputId {
    id("a20b0f12f564aef2a7cc6bee51304e6fc1a5088cbe85f8dbbdbeee5ff85b374e", "out")
}

fn derivation() -> StorePath {
    StorePath::parse("il8abxnrxwibmzif4sl07n94ciqc5y87-ca-top+x=1.drv").unwrap()
}

fn built_by_2_8() -> FixtureStore {
    let fixture = FixtureStore::new();
    fixture.create_realisation_tables();
    fixture.connection().execute_batch(ROWS_OF_2_8).unwrap();
    fixture
}

#[tokio::test]
async fn realisations_are_what_nix_itself_writes_of_them() {
    let fixture = built_by_2_8();
    let store = open(&fixture);
    let key = PublicKey::parse(KEY).unwrap();
    for file in FILES_OF_2_8 {
        let expected = rns_formats::Realisation::parse(file).unwrap();
        let found = store.realisation(&expected.id).await.unwrap().expect("registered");
        assert_eq!(found.to_json(), file);
        assert!(found.is_signed_by(&key));
    }
}

#[tokio::test]
async fn each_output_is_its_own_realisation() {
    let fixture = built_by_2_8();
    let store = open(&fixture);
    let hash = "8eff9ff6408809f6a12da8ea1e6ae7a61654bb84fd22b7cec10da95ab46e01d7";
    let doc = store.realisation(&id(hash, "doc")).await.unwrap().unwrap();
    assert_eq!(doc.out_path.as_str(), "0zcralplgr4lsjkkmbj3lgwry2927f9b-ca-top+x=1-doc");
    assert!(doc.dependent_realisations.is_empty());
    assert_eq!(store.realisation(&id(hash, "dev")).await.unwrap(), None);
    assert_eq!(store.realisation(&id(&hash.replace('8', "9"), "out")).await.unwrap(), None);
}

#[tokio::test]
async fn a_realisation_is_gone_when_its_path_is() {
    let fixture = built_by_2_8();
    let store = open(&fixture);
    assert!(store.realisation(&top()).await.unwrap().is_some());
    fixture.execute("delete from ValidPaths where id = 6", []);
    assert_eq!(store.realisation(&top()).await.unwrap(), None);
}

#[tokio::test]
async fn the_table_of_the_first_version_is_read_too() {
    let fixture = FixtureStore::new();
    fixture
        .connection()
        .execute_batch(
            "create table Realisations (drvPath text not null, outputName text not null, outputPath integer not null,
                signatures text, primary key (drvPath, outputName));
             insert into ValidPaths (id, path, hash, registrationTime, narSize) values
                (3, '/nix/store/828w7q9x671bmlxzmnil09w7fgxrvdda-ca-dep', 'sha256:00', 1, 120);
             insert into Realisations values
                ('sha256:a20b0f12f564aef2a7cc6bee51304e6fc1a5088cbe85f8dbbdbeee5ff85b374e', 'out', 3, null);",
        )
        .unwrap();
    let found = open(&fixture).realisation(&top()).await.unwrap().expect("registered");
    assert_eq!(found.out_path.as_str(), "828w7q9x671bmlxzmnil09w7fgxrvdda-ca-dep");
    assert!(found.signatures.is_empty());
}

#[tokio::test]
async fn a_build_trace_entry_is_found_by_derivation_and_output() {
    let fixture = FixtureStore::new();
    fixture.create_realisation_tables();
    let signature = "test-ca-1:LMLvsdrfodqBvwY84Spq5u92ile+2+/2fhyHE7T2KgrXYA5g8T904xVyiC32IBXIvTZRnqXz/zdsqKod2GZ1Dw==";
    fixture.execute(
        "insert into BuildTraceV3 (drvPath, outputName, outputPath, signatures) values (?, ?, ?, ?)",
        [derivation().as_str(), "out", "/nix/store/r7jgn72vg0grrm4608m3zpfk870bjf06-ca-top+x=1", &format!("{signature} junk")],
    );
    let store = open(&fixture);
    let found = store.build_trace(&derivation(), "out").await.unwrap().expect("registered");
    assert_eq!(
        found.to_json(),
        r#"{"outPath":"r7jgn72vg0grrm4608m3zpfk870bjf06-ca-top+x=1","signatures":[{"keyName":"test-ca-1","sig":"LMLvsdrfodqBvwY84Spq5u92ile+2+/2fhyHE7T2KgrXYA5g8T904xVyiC32IBXIvTZRnqXz/zdsqKod2GZ1Dw=="}]}"#
    );
    assert_eq!(found.drv_path, derivation());
    assert_eq!(store.build_trace(&derivation(), "doc").await.unwrap(), None);
    let other = StorePath::parse("il8abxnrxwibmzif4sl07n94ciqc5y87-other.drv").unwrap();
    assert_eq!(store.build_trace(&other, "out").await.unwrap(), None);
    assert_eq!(store.build_trace(&derivation(), "no/name").await.unwrap(), None);
}

#[tokio::test]
async fn where_the_feature_was_never_on_there_is_nothing() {
    let mut fixture = FixtureStore::new();
    let path = fixture.add("x", rns_testing::Tree::file("x"));
    let store = open(&fixture);
    assert_eq!(store.realisation(&top()).await.unwrap(), None);
    assert_eq!(store.build_trace(&derivation(), "out").await.unwrap(), None);
    // The feature is switched on while the server runs.
    fixture.create_realisation_tables();
    fixture.execute(
        "insert into BuildTraceV3 (drvPath, outputName, outputPath) values (?, 'out', ?)",
        [derivation().as_str(), &fixture.store_dir().print(&path)],
    );
    let found = store.build_trace(&derivation(), "out").await.unwrap().expect("registered");
    assert_eq!(found.out_path, path);
}

#[tokio::test]
async fn a_row_of_another_store_directory_is_an_error_not_a_wrong_answer() {
    let fixture = FixtureStore::with_store_dir("/opt/store");
    fixture.create_realisation_tables();
    fixture.connection().execute_batch(ROWS_OF_2_8).unwrap();
    let error = open(&fixture).realisation(&top()).await.unwrap_err().to_string();
    assert!(
        error.contains("/nix/store/r7jgn72vg0grrm4608m3zpfk870bjf06")
            && error.contains("/opt/store"),
        "{error}"
    );
}

#[tokio::test]
async fn an_absent_store_is_an_outage_or_empty_as_configured() {
    let fixture = FixtureStore::new();
    let nowhere =
        StoreConfig { database: fixture.root().join("nowhere/db.sqlite"), ..config(&fixture) };
    assert!(LocalStore::open(nowhere.clone()).realisation(&top()).await.is_err());
    let empty = LocalStore::open(StoreConfig { absent: AbsentStore::Empty, ..nowhere });
    assert_eq!(empty.realisation(&top()).await.unwrap(), None);
    assert_eq!(empty.build_trace(&derivation(), "out").await.unwrap(), None);
}

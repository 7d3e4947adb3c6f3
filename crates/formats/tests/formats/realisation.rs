use proptest::collection::btree_map;
use proptest::prelude::*;
use rns_formats::{
    BuildTraceEntry, DrvOutputId, DrvOutputIdError, Realisation, RealisationError, StorePathName,
};

use crate::arbitrary;
use crate::vectors::{signed, store_path};

const ID: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855!out";
const OUT: &str = "4hgnzv75gip1q649b6g1xql7g25p304s-tree";
const DRV: &str = "kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-tree.drv";
const SIGNATURE: &str =
    "k-1:2Mir/YS/CfsEfUa7bbxosNDw3ABDhS/U467xMRu2oVimWyvYSXm4qBYxb7RRVRuoQ4YKDoCLtkBppktWXxLJCA==";

fn out() -> StorePathName {
    StorePathName::parse("out").unwrap()
}

#[test]
fn ids_name_a_hash_and_an_output() {
    let id = DrvOutputId::parse(ID).unwrap();
    assert_eq!(id.output_name.as_str(), "out");
    assert_eq!(id.to_string(), ID);
    let nix32 = "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73!out";
    assert_eq!(DrvOutputId::parse(nix32).unwrap(), id);
}

#[test]
fn other_ids_are_refused() {
    let (hash, _) = ID.split_once('!').unwrap();
    assert_eq!(DrvOutputId::parse(hash), Err(DrvOutputIdError::NoExclamationMark));
    for text in [&ID["sha256:".len()..], "!out", "sha1:!out", "sha256:!out"] {
        let parsed = DrvOutputId::parse(text);
        assert!(matches!(parsed, Err(DrvOutputIdError::InvalidHash(_))), "{text}");
    }
    for output in ["", "a/b", "..", "out!", "out dev"] {
        let parsed = DrvOutputId::parse(&format!("{hash}!{output}"));
        assert!(matches!(parsed, Err(DrvOutputIdError::InvalidOutputName(_))), "{output:?}");
    }
}

#[test]
fn a_realisation_is_written_as_nix_2_4_to_2_34_write_it() {
    let json = format!(
        r#"{{"dependentRealisations":{{}},"id":"{ID}","outPath":"{OUT}","signatures":["{SIGNATURE}"]}}"#
    );
    let realisation = Realisation::parse(&json).unwrap();
    assert_eq!(realisation.out_path, store_path(OUT));
    assert_eq!(realisation.signatures.len(), 1);
    assert_eq!(realisation.to_json(), json);
    assert_eq!(
        realisation.fingerprint(),
        format!(r#"{{"dependentRealisations":{{}},"id":"{ID}","outPath":"{OUT}"}}"#)
    );
}

#[test]
fn dependent_realisations_are_kept_and_signed_in_order() {
    let (hash, _) = ID.split_once('!').unwrap();
    let json = format!(
        r#"{{"outPath":"{OUT}","id":"{ID}","dependentRealisations":{{"{hash}!out":"{OUT}","{hash}!dev":"{OUT}"}}}}"#
    );
    let realisation = Realisation::parse(&json).unwrap();
    assert_eq!(
        realisation.fingerprint(),
        format!(
            r#"{{"dependentRealisations":{{"{hash}!dev":"{OUT}","{hash}!out":"{OUT}"}},"id":"{ID}","outPath":"{OUT}"}}"#
        )
    );
}

#[test]
fn a_build_trace_entry_is_written_as_nix_2_35_writes_it() {
    let (name, sig) = SIGNATURE.split_once(':').unwrap();
    let json =
        format!(r#"{{"outPath":"{OUT}","signatures":[{{"keyName":"{name}","sig":"{sig}"}}]}}"#);
    let entry = BuildTraceEntry::parse(store_path(DRV), out(), &json).unwrap();
    assert_eq!(entry.out_path, store_path(OUT));
    assert_eq!(entry.signatures[0].to_string(), SIGNATURE);
    assert_eq!(entry.to_json(), json);
    assert_eq!(
        entry.fingerprint(),
        format!(
            r#"{{"key":{{"drvPath":"{DRV}","outputName":"out"}},"value":{{"outPath":"{OUT}"}}}}"#
        )
    );
}

#[test]
fn signatures_are_read_in_either_json_form() {
    let (name, sig) = SIGNATURE.split_once(':').unwrap();
    let json = format!(
        r#"{{"outPath":"{OUT}","signatures":["{SIGNATURE}",{{"sig":"{sig}","keyName":"{name}"}}]}}"#
    );
    let entry = BuildTraceEntry::parse(store_path(DRV), out(), &json).unwrap();
    assert_eq!(entry.signatures[0], entry.signatures[1]);
}

#[test]
fn signing_adds_one_signature_that_verifies_until_something_changes() {
    let vector = &signed()[0];
    let json = format!(r#"{{"outPath":"{OUT}","signatures":["{SIGNATURE}"],"id":"{ID}"}}"#);
    let mut realisation = Realisation::parse(&json).unwrap();
    assert!(!realisation.is_signed_by(&vector.public));
    realisation.sign(&vector.secret);
    realisation.sign(&vector.secret);
    assert_eq!(realisation.signatures.len(), 2);
    assert!(realisation.is_signed_by(&vector.public));
    realisation.out_path = store_path(DRV);
    assert!(!realisation.is_signed_by(&vector.public));

    let mut entry = BuildTraceEntry::parse(store_path(DRV), out(), &json).unwrap();
    assert!(!entry.is_signed_by(&vector.public));
    entry.sign(&vector.secret);
    entry.sign(&vector.secret);
    assert_eq!(entry.signatures.len(), 2);
    assert!(entry.is_signed_by(&vector.public));
    entry.output_name = StorePathName::parse("dev").unwrap();
    assert!(!entry.is_signed_by(&vector.public));
}

#[test]
fn what_is_no_realisation_is_refused() {
    let parse_entry = |json: &str| BuildTraceEntry::parse(store_path(DRV), out(), json);
    for json in ["", "null", "[]", "{}", r#"{"outPath":1}"#, "{\"outPath\":\"x\""] {
        assert!(matches!(parse_entry(json), Err(RealisationError::Json(_))), "{json}");
        assert!(matches!(Realisation::parse(json), Err(RealisationError::Json(_))), "{json}");
    }
    let full_path = format!(r#"{{"outPath":"/nix/store/{OUT}"}}"#);
    assert!(matches!(parse_entry(&full_path), Err(RealisationError::StorePath(_))));
    let junk = format!(r#"{{"outPath":"{OUT}","signatures":["garbage"]}}"#);
    assert!(matches!(parse_entry(&junk), Err(RealisationError::Signature(_))));
    let short = format!(r#"{{"outPath":"{OUT}","signatures":[{{"keyName":"k","sig":"AAA"}}]}}"#);
    assert!(matches!(parse_entry(&short), Err(RealisationError::Signature(_))));
    let id = format!(r#"{{"outPath":"{OUT}","id":"out"}}"#);
    assert!(matches!(Realisation::parse(&id), Err(RealisationError::Id(_))));
}

fn realisation() -> impl Strategy<Value = Realisation> {
    let dependencies = btree_map(arbitrary::drv_output_id(), arbitrary::store_path(), 0..3);
    let parts = (arbitrary::drv_output_id(), arbitrary::store_path(), arbitrary::signatures());
    (parts, dependencies).prop_map(|((id, out_path, signatures), dependent_realisations)| {
        Realisation { id, out_path, signatures, dependent_realisations }
    })
}

fn build_trace_entry() -> impl Strategy<Value = BuildTraceEntry> {
    let paths = (arbitrary::store_path(), arbitrary::store_path());
    (paths, arbitrary::name(), arbitrary::signatures()).prop_map(
        |((drv_path, out_path), output_name, signatures)| BuildTraceEntry {
            drv_path,
            output_name,
            out_path,
            signatures,
        },
    )
}

proptest! {
    #[test]
    fn reading_undoes_writing(realisation in realisation(), entry in build_trace_entry()) {
        let id = &realisation.id;
        prop_assert_eq!(&DrvOutputId::parse(&id.to_string()).unwrap(), id);
        prop_assert_eq!(&Realisation::parse(&realisation.to_json()).unwrap(), &realisation);
        let (drv, output) = (entry.drv_path.clone(), entry.output_name.clone());
        let again = BuildTraceEntry::parse(drv, output, &entry.to_json()).unwrap();
        prop_assert_eq!(again, entry);
    }

    #[test]
    fn ids_are_ordered_as_they_are_spelled(
        a in arbitrary::drv_output_id(),
        b in arbitrary::drv_output_id(),
    ) {
        let near = DrvOutputId { output_name: b.output_name.clone(), ..a.clone() };
        for other in [b, near] {
            prop_assert_eq!(a.cmp(&other), a.to_string().cmp(&other.to_string()));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(
        text in prop_oneof![
            any::<String>(),
            arbitrary::damaged(realisation().prop_map(|realisation| realisation.to_json())),
            arbitrary::damaged(build_trace_entry().prop_map(|entry| entry.to_json())),
        ]
    ) {
        let _ = Realisation::parse(&text);
        let _ = BuildTraceEntry::parse(store_path(DRV), out(), &text);
        let _ = DrvOutputId::parse(&text);
    }
}

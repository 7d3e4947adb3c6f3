use proptest::prelude::*;
use rns_formats::{
    Compression, FieldError, NarInfo, NarInfoProblem, PathInfo, Provenance, ProvenanceError,
    Sha256Digest, Signature, StoreDir,
};
use serde_json::json;

use crate::arbitrary;
use crate::vectors::{signed, store_path, top};

fn parse(text: &str) -> Result<NarInfo, rns_formats::NarInfoError> {
    NarInfo::parse(text, &StoreDir::default())
}

#[test]
fn narinfos_nix_wrote_are_written_identically() {
    for vector in signed() {
        assert_eq!(vector.narinfo.write(&StoreDir::default()), vector.text);
    }
}

#[test]
fn every_field_is_read() {
    let narinfo = top().narinfo;
    assert_eq!(narinfo.store_path, store_path("6jq25iv0b90n2gjbns74ps6pjrmfx0n3-top.txt"));
    assert_eq!(narinfo.url, "nar/1hgwy64j3x7m3dnn78l4l7b366hjdwhzyhgh2g2qg4kcggi71a70.nar.xz");
    assert_eq!(narinfo.compression, Compression::Xz);
    let digest = "sha256:1hgwy64j3x7m3dnn78l4l7b366hjdwhzyhgh2g2qg4kcggi71a70";
    assert_eq!(narinfo.file_hash.unwrap().to_string(), digest);
    assert_eq!(narinfo.file_size, Some(184));
    let digest = "sha256:0gm2wvj3q0lzzc24fm9zh8msy4sycq2nsxl15rb9bavp0ln59nzn";
    assert_eq!(narinfo.nar_hash.to_string(), digest);
    assert_eq!(narinfo.nar_size, 176);
    assert_eq!(narinfo.references, [store_path("kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-dep.txt")]);
    assert_eq!(narinfo.deriver, None);
    assert_eq!(narinfo.signatures.len(), 1);
    let ca = "text:sha256:15cf4hm1bnd97ln1mszxsgr3h1gmamq4hld5dvsl42xnam49jw83";
    assert_eq!(narinfo.ca.unwrap().to_string(), ca);
    assert_eq!(narinfo.unknown, []);
}

#[test]
fn fields_are_written_in_the_order_of_nix() {
    let vector = top();
    let info = PathInfo {
        path: vector.narinfo.store_path.clone(),
        nar_hash: Sha256Digest::of(b""),
        nar_size: 176,
        references: vec![
            store_path("6jq25iv0b90n2gjbns74ps6pjrmfx0n3-top.txt"),
            store_path("kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-dep.txt"),
        ],
        deriver: Some(store_path("gy454w1cxaq731grqwylhzf4pp9r5izh-top.txt.drv")),
        signatures: Vec::new(),
        ca: vector.narinfo.ca,
        provenance: None,
        unknown: Vec::new(),
        ultimate: false,
        registration_time: 0,
    };
    let url = "nar/a.nar".to_owned();
    let file = Some((info.nar_hash.into(), info.nar_size));
    let signatures =
        ["b-1", "a-1"].map(|key| format!("{key}:{}", vector.narinfo.signatures[0].to_base64()));
    let parsed = signatures.iter().map(|text| Signature::parse(text).unwrap()).collect();
    let mut narinfo = NarInfo::for_path(&info, url, Compression::None, file, parsed);
    narinfo.provenance = Some(Provenance::parse("{}").unwrap());
    narinfo.unknown.push(("System".to_owned(), "x".to_owned()));
    let expected = [
        "StorePath: /foo/store/6jq25iv0b90n2gjbns74ps6pjrmfx0n3-top.txt",
        "URL: nar/a.nar",
        "Compression: none",
        "FileHash: sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
        "FileSize: 176",
        "NarHash: sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
        "NarSize: 176",
        "References: 6jq25iv0b90n2gjbns74ps6pjrmfx0n3-top.txt kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-dep.txt",
        "Deriver: gy454w1cxaq731grqwylhzf4pp9r5izh-top.txt.drv",
        &format!("Sig: {}", signatures[0]),
        &format!("Sig: {}", signatures[1]),
        "CA: text:sha256:15cf4hm1bnd97ln1mszxsgr3h1gmamq4hld5dvsl42xnam49jw83",
        "Provenance: {}",
        "System: x",
        "",
    ];
    let dir = StoreDir::parse("/foo/store").unwrap();
    assert_eq!(narinfo.write(&dir), expected.join("\n"));
}

#[test]
fn signatures_given_for_a_path_replace_those_of_the_store() {
    let vector = top();
    let signatures = vector.narinfo.signatures.clone();
    let info = PathInfo {
        path: vector.narinfo.store_path,
        nar_hash: vector.narinfo.nar_hash,
        nar_size: vector.narinfo.nar_size,
        references: Vec::new(),
        deriver: None,
        signatures,
        ca: None,
        provenance: None,
        unknown: Vec::new(),
        ultimate: false,
        registration_time: 0,
    };
    let narinfo = NarInfo::for_path(&info, "nar/a".into(), Compression::Zstd, None, Vec::new());
    assert_eq!(narinfo.signatures, []);
    assert_eq!((narinfo.file_hash, narinfo.file_size), (None, None));
}

#[test]
fn optional_fields_are_left_out_but_references_never() {
    let text = "StorePath: /nix/store/4hgnzv75gip1q649b6g1xql7g25p304s-tree\n\
                URL: nar/a.nar\n\
                NarHash: sha256:1pr030ycnw7qzf1hlnz3gp81m69isgm5dg45pi4gj29hz46sjps5\n\
                NarSize: 1432\n";
    let written = parse(text).unwrap().write(&StoreDir::default());
    let names: Vec<_> = written.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(names, ["StorePath", "URL", "Compression", "NarHash", "NarSize", "References"]);
    assert!(written.contains("\nReferences: \n"), "{written}");
    assert!(written.contains("\nCompression: bzip2\n"), "{written}");
}

#[test]
fn references_are_sorted_and_listed_once() {
    let two = "References: kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-dep.txt  6jq25iv0b90n2gjbns74ps6pjrmfx0n3-top.txt kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-dep.txt ";
    let text = top().text.replace("References: kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-dep.txt", two);
    let narinfo = parse(&text).unwrap();
    assert_eq!(narinfo.references.len(), 2);
    assert!(narinfo.references.is_sorted());
}

#[test]
fn thousands_of_references_fit_on_their_line() {
    let mut narinfo = top().narinfo;
    narinfo.references = (0..3000_u32)
        .map(|number| {
            let digest = Sha256Digest::of(&number.to_le_bytes());
            store_path(&format!("{}-dependency", &digest.to_nix32()[..32]))
        })
        .collect();
    narinfo.references.sort();
    let text = narinfo.write(&StoreDir::default());
    assert_eq!(text.lines().filter(|line| line.starts_with("References: ")).count(), 1);
    assert_eq!(parse(&text).unwrap(), narinfo);
}

#[test]
fn a_size_is_a_number_of_64_bits() {
    let with = |size: &str| parse(&top().text.replace("NarSize: 176", &format!("NarSize: {size}")));
    assert_eq!(with("18446744073709551615").unwrap().nar_size, u64::MAX);
    for size in ["18446744073709551616", "-1", "", " 176", "176 ", "0x10", "1e3", "176\r"] {
        let problem = with(size).unwrap_err().problem;
        let expected = NarInfoProblem::Invalid { field: "NarSize", source: FieldError::Size };
        assert_eq!(problem, expected, "{size:?}");
    }
}

#[test]
fn of_repeated_fields_the_last_counts_and_signatures_add_up() {
    let text = top().text;
    let repeated = format!("URL: first\nNarSize: 1\nDeriver: unknown-deriver\n{text}");
    let narinfo = parse(&repeated).unwrap();
    assert_eq!(narinfo, top().narinfo);
    let signature = top().narinfo.signatures[0].to_string();
    let other = signature.replace("test-1", "test-2");
    let more = format!("{text}Sig: {signature}\nSig: {other}\n");
    let keys: Vec<_> =
        parse(&more).unwrap().signatures.iter().map(|sig| sig.key.to_string()).collect();
    assert_eq!(keys, ["test-1", "test-2"]);
}

#[test]
fn errors_name_the_line() {
    let text = top().text;
    let line = |text: &str| parse(text).unwrap_err().line;
    assert_eq!(line(&text.replace("NarSize: 176", "NarSize: x")), 7);
    assert_eq!(line(&text.replace("StorePath: ", "StorePath: x")), 1);
    assert_eq!(line(text.trim_end()), 10);
    assert_eq!(line(&text.replace("URL: ", "Url: ")), 11);
    let shown = parse(&text.replace("Compression: xz", "Compression: XZ")).unwrap_err();
    let expected = "line 3 of the narinfo: Compression is invalid: unknown compression method";
    assert_eq!(shown.to_string(), expected);
}

#[test]
fn unfinished_fields_are_refused() {
    for text in ["A", "A\n", ":", "A:", "A: ", "A: b", "\n", " \n", "A:\n", "A:é\n"] {
        assert!(parse(text).is_err(), "{text:?}");
    }
    let missing = NarInfoProblem::Missing { field: "URL" };
    assert_eq!(parse("").unwrap_err().problem, missing);
    let byte_order_mark = format!("\u{feff}{}", top().text);
    let missing = NarInfoProblem::Missing { field: "StorePath" };
    assert_eq!(parse(&byte_order_mark).unwrap_err().problem, missing);
    let no_space = NarInfoProblem::NoSpace { field: "A".to_owned() };
    assert_eq!(parse("A:é\n").unwrap_err().problem, no_space);
}

#[test]
fn an_empty_line_is_refused_wherever_it_is() {
    let text = top().text;
    assert_eq!(parse(&format!("{text}\n")).unwrap_err().line, 11);
    for (index, line) in text.lines().enumerate() {
        // Nix would lose the field on the next line, and complain only if it needs that one.
        let error = parse(&text.replace(line, &format!("\n{line}"))).unwrap_err();
        assert_eq!((error.line, error.problem), (index + 1, NarInfoProblem::NoColon));
    }
}

#[test]
fn paths_of_another_store_directory_are_refused() {
    let dir = StoreDir::parse("/foo/store").unwrap();
    let error = NarInfo::parse(&top().text, &dir).unwrap_err();
    let field = NarInfoProblem::Invalid {
        field: "StorePath",
        source: FieldError::StorePath(rns_formats::StorePathError::NotInStore { store_dir: dir }),
    };
    assert_eq!((error.line, error.problem), (1, field));
}

#[test]
fn provenance_and_fields_that_clients_do_not_know_survive() {
    let lines = "Provenance: {\"type\":\"flake\"}\nNew: field\nProvenance: no JSON\n";
    let text = format!("{}{lines}", top().text);
    let narinfo = parse(&text).unwrap();
    assert_eq!(
        narinfo.write(&StoreDir::default()),
        text.replace("New: field\n", "")
            .replace("Provenance: no JSON\n", "New: field\nProvenance: no JSON\n",)
    );
    assert_eq!(narinfo.to_json(&StoreDir::default())["provenance"], json!({ "type": "flake" }));
    for (text, error) in [
        ("", ProvenanceError::NotJson),
        ("{", ProvenanceError::NotJson),
        ("{}\n", ProvenanceError::LineBreak),
        (&"1".repeat(100_000), ProvenanceError::TooLong { length: 100_000 }),
    ] {
        assert_eq!(Provenance::parse(text), Err(error));
    }
}

#[test]
fn json_is_that_of_path_info() {
    let narinfo = top().narinfo;
    let signature = narinfo.signatures[0].to_string();
    assert_eq!(
        narinfo.to_json(&StoreDir::default()),
        json!({
            "path": "/nix/store/6jq25iv0b90n2gjbns74ps6pjrmfx0n3-top.txt",
            "narHash": "sha256-9ttULAV3q5VWLoF2bQVmXhOvK4I/VUcE+58CPOTmoj4=",
            "narSize": 176,
            "references": ["/nix/store/kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-dep.txt"],
            "deriver": null,
            "ca": "text:sha256:15cf4hm1bnd97ln1mszxsgr3h1gmamq4hld5dvsl42xnam49jw83",
            "signatures": [signature],
            "registrationTime": null,
            "url": "nar/1hgwy64j3x7m3dnn78l4l7b366hjdwhzyhgh2g2qg4kcggi71a70.nar.xz",
            "compression": "xz",
            "downloadHash": narinfo.file_hash.unwrap().to_sri(),
            "downloadSize": 184,
        })
    );
}

proptest! {
    #[test]
    fn reading_undoes_writing(narinfo in arbitrary::narinfo(), dir in arbitrary::store_dir()) {
        let text = narinfo.write(&dir);
        prop_assert_eq!(NarInfo::parse(&text, &dir), Ok(narinfo));
        prop_assert!(text.ends_with('\n') && !text.contains("\n\n"));
    }

    #[test]
    fn any_text_is_read_or_refused(
        text in prop_oneof![
            any::<String>(),
            "([A-Z][A-Za-z]{2}:.{0,9}\n){0,5}",
            arbitrary::damaged(Just(top().text)),
            arbitrary::damaged(arbitrary::narinfo().prop_map(|info| info.write(&StoreDir::default()))),
        ]
    ) {
        if let Ok(narinfo) = parse(&text) {
            prop_assert_eq!(parse(&narinfo.write(&StoreDir::default())), Ok(narinfo));
        }
    }
}

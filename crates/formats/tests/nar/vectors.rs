//! Archives against those that `nix-store --dump` made, and against everything that a strict reader
//! must refuse.

use rns_formats::{NarLimits, NarReadError, NarReader, Sha256Digest, TreeError, read_layout};
use serde_json::Value;

use crate::tree::Tree;

fn vectors() -> Vec<(String, String, Vec<u8>)> {
    let all: Value =
        serde_json::from_str(include_str!("../../../../tests/data/vectors.json")).unwrap();
    let text = |vector: &Value, key: &str| vector[key].as_str().unwrap().to_owned();
    let vector = |vector: &Value| {
        let hex = text(vector, "hex");
        let nar: Vec<u8> = (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        assert_eq!(vector["len"], nar.len());
        (text(vector, "id"), text(vector, "narHash"), nar)
    };
    all["nar"].as_array().unwrap().iter().map(vector).collect()
}

fn file(contents: &[u8]) -> Tree {
    Tree::Regular { executable: false, contents: contents.to_vec() }
}

fn program(contents: &[u8]) -> Tree {
    Tree::Regular { executable: true, contents: contents.to_vec() }
}

fn link(target: &[u8]) -> Tree {
    Tree::Symlink(target.to_vec())
}

fn directory<'a>(entries: impl IntoIterator<Item = (&'a str, Tree)>) -> Tree {
    Tree::Directory(
        entries.into_iter().map(|(name, tree)| (name.as_bytes().to_vec(), tree)).collect(),
    )
}

fn object(id: &str) -> Tree {
    match id {
        "V1" => file(b""),
        "V2" => file(b"hello\n"),
        "V3" => program(b"hello\n"),
        "V4" => file(b"12345678"),
        "V5" => link(b"../a"),
        "V6" => directory([]),
        "V7" => directory([("x", file(b"y"))]),
        "V8" => directory([
            ("a", file(b"hello\n")),
            ("dir", directory([("lnk", link(b"../a")), ("run", program(b"#!/bin/sh\necho hi\n"))])),
            ("eight", file(b"12345678")),
            ("empty", directory([])),
            ("zero", file(b"")),
        ]),
        "V9" => directory(
            ["é", "b", "a.b", "a-b", "a", "_", "B", "9", "10"].map(|name| (name, file(b""))),
        ),
        other => panic!("an object for {other} is missing"),
    }
}

#[test]
fn archives_are_those_of_nix() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 9);
    for (id, hash, nar) in vectors {
        let tree = object(&id);
        assert_eq!(tree.write().unwrap(), nar, "{id}");
        assert_eq!(Sha256Digest::of(&nar), Sha256Digest::parse(&hash).unwrap(), "{id}");

        let layout = tree.layout().unwrap();
        assert_eq!(layout.nar_size(), nar.len() as u64, "{id}");
        let whole: Vec<u8> =
            layout.segments_from(0).flat_map(|segment| tree.bytes(segment).to_vec()).collect();
        assert_eq!(whole, nar, "{id}");

        assert_eq!(Tree::read(&nar).unwrap(), tree, "{id}");
    }
}

#[test]
fn an_archive_cut_anywhere_is_refused() {
    for (id, _, nar) in vectors() {
        for len in 0..nar.len() {
            let error = Tree::read(&nar[..len]).unwrap_err();
            assert!(matches!(error, NarReadError::Truncated { .. }), "{id} cut to {len}: {error}");
        }
    }
}

#[test]
fn bytes_after_an_archive_are_refused() {
    for (id, _, mut nar) in vectors() {
        let end = nar.len() as u64;
        nar.push(0);
        let error = Tree::read(&nar).unwrap_err();
        assert!(
            matches!(error, NarReadError::TrailingBytes { offset } if offset == end),
            "{id}: {error}"
        );
    }
}

/// For every byte of the frame: with another value, either the archive is refused, or it is the archive of
/// another tree.
#[test]
fn no_two_archives_have_the_same_tree() {
    for (id, _, nar) in vectors() {
        for at in 0..nar.len() {
            for flip in [1, 0x80] {
                let mut altered = nar.clone();
                altered[at] ^= flip;
                if let Ok(tree) = Tree::read(&altered) {
                    assert_eq!(tree.write().unwrap(), altered, "{id} altered at {at}");
                }
            }
        }
    }
}

/// Puts together strings of an archive, so that those no writer would make can be made.
fn nar(strings: &[&[u8]]) -> Vec<u8> {
    let mut nar = Vec::new();
    for string in [&b"nix-archive-1"[..]].iter().chain(strings) {
        nar.extend_from_slice(&(string.len() as u64).to_le_bytes());
        nar.extend_from_slice(string);
        nar.resize(nar.len().next_multiple_of(8), 0);
    }
    nar
}

const EMPTY: [&[u8]; 6] = [b"(", b"type", b"regular", b"contents", b"", b")"];

fn directory_of(names: &[&[u8]]) -> Vec<u8> {
    let mut strings: Vec<&[u8]> = vec![b"(", b"type", b"directory"];
    for name in names {
        strings.extend([&b"entry"[..], b"(", b"name", name, b"node"]);
        strings.extend(EMPTY);
        strings.push(b")");
    }
    strings.push(b")");
    nar(&strings)
}

fn tree_error(nar: &[u8]) -> TreeError {
    match Tree::read(nar) {
        Err(NarReadError::Tree(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn c82_entries_must_be_sorted_and_unique() {
    Tree::read(&directory_of(&[b"a", b"b"])).unwrap();
    let unsorted = TreeError::Unsorted { previous: (*b"b").into(), name: (*b"a").into() };
    assert_eq!(tree_error(&directory_of(&[b"b", b"a"])), unsorted);
    assert_eq!(
        tree_error(&directory_of(&[b"a", b"a"])),
        TreeError::Duplicate { name: (*b"a").into() }
    );
    // Bytewise, not by letter: Z comes before a.
    Tree::read(&directory_of(&[b"Z", b"a", b"a\xff", b"\xc3\xa9"])).unwrap();
    assert!(matches!(tree_error(&directory_of(&[b"a", b"Z"])), TreeError::Unsorted { .. }));
}

#[test]
fn c82_names_must_stay_in_their_directory() {
    for name in [&b""[..], b".", b"..", b"a/b", b"/", b"../a", b"a\0", b"\0"] {
        assert_eq!(tree_error(&directory_of(&[name])), TreeError::Name { name: name.into() });
    }
    Tree::read(&directory_of(&[&[b'n'; 255]])).unwrap();
    assert_eq!(
        tree_error(&directory_of(&[&[b'n'; 256]])),
        TreeError::NameTooLong { len: 256, limit: 255 }
    );
}

#[test]
fn c82_targets_have_1_to_4095_bytes_without_nul() {
    let link = |target: &[u8]| nar(&[b"(", b"type", b"symlink", b"target", target, b")"]);
    Tree::read(&link(&[b't'; 4095])).unwrap();
    assert_eq!(
        tree_error(&link(&[b't'; 4096])),
        TreeError::TargetTooLong { len: 4096, limit: 4095 }
    );
    assert_eq!(tree_error(&link(b"")), TreeError::TargetEmpty);
    assert_eq!(tree_error(&link(b"a\0b")), TreeError::TargetNul);
}

#[test]
fn c82_the_tree_has_at_most_64_levels() {
    let nested = |directories: usize| {
        let mut strings: Vec<&[u8]> = Vec::new();
        for _ in 0..directories {
            strings.extend([
                &b"("[..],
                b"type",
                b"directory",
                b"entry",
                b"(",
                b"name",
                b"d",
                b"node",
            ]);
        }
        strings.extend(EMPTY);
        strings.extend([&b")"[..]].repeat(2 * directories));
        nar(&strings)
    };
    Tree::read(&nested(63)).unwrap();
    assert_eq!(tree_error(&nested(64)), TreeError::TooDeep { limit: 64 });
    assert_eq!(tree_error(&nested(100_000)), TreeError::TooDeep { limit: 64 });
}

#[test]
fn c82_padding_is_zero() {
    let nar = file(b"12345").write().unwrap();
    let contents = 96;
    assert_eq!(&nar[contents..contents + 5], b"12345");
    for at in contents + 5..contents + 8 {
        let mut altered = nar.clone();
        altered[at] = 1;
        let error = Tree::read(&altered).unwrap_err();
        assert!(matches!(error, NarReadError::Padding { offset: 101 }), "{error}");
    }
    let mut altered = nar;
    altered[8 + 13] = 1;
    assert!(matches!(Tree::read(&altered), Err(NarReadError::Padding { offset: 21 })));
}

#[test]
fn fields_in_any_other_order_are_refused() {
    let refused: &[&[&[u8]]] = &[
        &[b"(", b"type", b"regular", b")"],
        &[b"(", b"type", b"regular", b"contents", b"", b"executable", b"", b")"],
        &[
            b"(",
            b"type",
            b"regular",
            b"executable",
            b"",
            b"executable",
            b"",
            b"contents",
            b"",
            b")",
        ],
        &[b"(", b"type", b"regular", b"executable", b"x", b"contents", b"", b")"],
        &[b"(", b"type", b"regular", b"executable", b"", b")"],
        &[b"(", b"type", b"regular", b"contents", b"", b"contents", b"", b")"],
        &[b"(", b"type", b"regular", b"target", b"a", b"contents", b"", b")"],
        &[b"(", b"type", b"symlink", b")"],
        &[b"(", b"type", b"fifo", b")"],
        &[b"(", b"type", b"directory", b"entry", b"(", b"node"],
        &[b"(", b"type", b"directory", b"entry", b"(", b"name", b"a", b")", b")"],
        &[b"(", b"contents", b"", b")"],
        &[b"type", b"regular"],
        &[b")"],
    ];
    for strings in refused {
        let error = Tree::read(&nar(strings)).unwrap_err();
        assert!(matches!(error, NarReadError::Unexpected { .. }), "{strings:?}: {error}");
    }
}

#[test]
fn what_is_no_archive_is_called_so() {
    for not in [&b"\x1f\x8b\x08\0\0\0\0\0\0\0\0\0\0\0\0\0"[..], b"<!DOCTYPE html>  ", &[0; 16]] {
        assert!(matches!(Tree::read(not), Err(NarReadError::NotAnArchive)), "{not:?}");
    }
    assert!(matches!(Tree::read(b""), Err(NarReadError::Truncated { offset: 0 })));
}

/// Lengths are not believed: nothing is allocated for a string that never comes.
#[test]
fn absurd_lengths_are_refused() {
    let mut word = nar(&[b"("]);
    word.extend_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(Tree::read(&word), Err(NarReadError::WordTooLong { len: u64::MAX, .. })));

    let mut target = nar(&[b"(", b"type", b"symlink", b"target"]);
    target.extend_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(tree_error(&target), TreeError::TargetTooLong { len: u64::MAX, limit: 4095 });

    let mut contents = nar(&[b"(", b"type", b"regular", b"contents"]);
    contents.extend_from_slice(&(u64::MAX - 1).to_le_bytes());
    contents.extend_from_slice(b"short");
    assert!(matches!(Tree::read(&contents), Err(NarReadError::Truncated { .. })));
    assert!(matches!(read_layout(&*contents, Default::default()), Err(NarReadError::TooLarge)));
}

#[test]
fn nothing_more_is_read_after_an_error() {
    let mut cut_in_contents =
        vec![&b"("[..], b"type", b"directory", b"entry", b"(", b"name", b"a", b"node"];
    cut_in_contents.extend(EMPTY);
    cut_in_contents.extend([&b")"[..], b"junk", b")"]);
    for nar in
        [nar(&cut_in_contents), directory_of(&[b"b", b"a"]), nar(&EMPTY[..5]), b"no".to_vec()]
    {
        let mut reader = NarReader::new(&*nar, NarLimits::default());
        while reader.next_event().is_ok_and(|event| event.is_some()) {}
        assert!(matches!(reader.next_event(), Err(NarReadError::Failed)));
        assert_eq!(reader.read_contents(&mut [0; 8]).unwrap(), 0);
    }
}

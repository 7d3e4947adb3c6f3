//! Uploads: NARs.

use rns_formats::{Compression, NarName, Sha256Digest};
use rns_testing::{Standard, http::Request};

use crate::{
    support::{assert_refusal, narinfo_of, private::with_token},
    uploads::{Pushable, packed},
};

/// Where the NAR in this file belongs.
fn place(file: &[u8], compression: Compression) -> String {
    format!("/{}", NarName::of_file(Sha256Digest::of(file), compression).canonical_url())
}

/// A NAR of these tokens, without a look at whether they make sense.
fn nar(tokens: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for token in [&b"nix-archive-1"[..]].iter().chain(tokens) {
        bytes.extend_from_slice(&(token.len() as u64).to_le_bytes());
        bytes.extend_from_slice(token);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    bytes
}

const FILE: [&[u8]; 6] = [b"(", b"type", b"regular", b"contents", b"x", b")"];

/// A directory with empty files of these names.
fn directory(names: &[&[u8]]) -> Vec<u8> {
    let mut tokens: Vec<&[u8]> = vec![b"(", b"type", b"directory"];
    for name in names {
        tokens.extend([&b"entry"[..], b"(", b"name", name, b"node"]);
        tokens.extend(FILE);
        tokens.push(b")");
    }
    tokens.push(b")");
    nar(&tokens)
}

fn link(target: &[u8]) -> Vec<u8> {
    nar(&[b"(", b"type", b"symlink", b"target", target, b")"])
}

fn nested(depth: usize) -> Vec<u8> {
    let mut tokens: Vec<&[u8]> = Vec::new();
    for _ in 0..depth {
        tokens.extend([&b"("[..], b"type", b"directory", b"entry", b"(", b"name", b"d", b"node"]);
    }
    tokens.extend(FILE);
    for _ in 0..depth {
        tokens.extend([&b")"[..], b")"]);
    }
    nar(&tokens)
}

#[test]
fn c67_the_name_of_a_nar_is_the_hash_of_its_file() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let file = standard.store.nar(&standard.executable);
    let wrong = place(b"something else", Compression::None);
    assert_refusal(&cache.put(&wrong, file), 400);
    assert_eq!(cache.server.get(&wrong).status(), 404);
}

#[test]
fn c75_a_body_in_chunks_is_taken() {
    let cache = Pushable::new();
    let file = directory(&[b"a", b"b"]);
    let target = place(&file, Compression::None);
    let mut bytes = with_token(Request::new("PUT", &target), &cache.token)
        .header("Transfer-Encoding", "chunked")
        .to_bytes();
    for chunk in file.chunks(100) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    let mut connection = cache.server.connect();
    connection.send_raw(&bytes);
    assert_eq!(connection.read_response().unwrap().status(), 201);
    assert!(cache.server.get(&target).body == file);
}

#[test]
fn c74_c81_what_unpacks_to_more_than_is_taken_is_refused() {
    let cache = Pushable::with(|builder| builder.section("[upload]\nmax_nar_size = \"1MiB\""));
    let zeros = vec![0; 64 << 20];
    let bomb = nar(&[b"(", b"type", b"regular", b"contents", &zeros, b")"]);
    let packed = zstd::encode_all(&bomb[..], 3).unwrap();
    assert!(packed.len() < 100_000);
    let target = place(&packed, Compression::Zstd);
    assert_refusal(&cache.put(&target, packed), 413);
    assert_refusal(&cache.put(&place(&bomb, Compression::None), bomb), 413);
    assert_eq!(cache.server.get(&target).status(), 404);
}

#[test]
fn c82_nars_that_are_not_canonical_are_refused() {
    let cache = Pushable::new();
    let mut padded = nar(&FILE);
    let end = padded.len() - 16;
    padded[end - 1] = 1;
    let mut trailing = nar(&FILE);
    trailing.extend_from_slice(&[0; 8]);
    let long = vec![b'x'; 4096];
    for (what, file) in [
        ("names that are not sorted", directory(&[b"b", b"a"])),
        ("a name twice", directory(&[b"a", b"a"])),
        ("..", directory(&[b".."])),
        (".", directory(&[b"."])),
        ("a slash", directory(&[b"a/b"])),
        ("an empty name", directory(&[b""])),
        ("too deep", nested(65)),
        ("a link to nothing", link(b"")),
        ("a NUL in a link", link(b"a\0b")),
        ("a long link", link(&long)),
        ("padding", padded),
        ("more behind it", trailing),
        ("nothing at all", Vec::new()),
        ("cut", nar(&FILE[..5])),
    ] {
        let target = place(&file, Compression::None);
        let answer = cache.put(&target, file);
        assert!((400..500).contains(&answer.status()), "{what}: {answer:?}");
        assert_eq!(cache.server.get(&target).status(), 404, "{what}");
    }
    for good in [directory(&[b"a", b"b"]), nested(60), link(b"a"), nar(&FILE)] {
        assert_eq!(cache.put(&place(&good, Compression::None), good.clone()).status(), 201);
    }
}

#[test]
fn c83_several_frames_and_several_streams_are_one_nar() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    let info = standard.store.info(&standard.blob);
    let nar = standard.store.nar(&standard.blob);
    let (left, right) = nar.split_at(1_000_000);
    let zstd = |part| zstd::encode_all(part, 1).unwrap();
    let xz = |part: &[u8]| {
        use std::io::Read as _;
        let mut packed = Vec::new();
        xz2::read::XzEncoder::new(part, 0).read_to_end(&mut packed).unwrap();
        packed
    };
    let frames = [zstd(left), zstd(right)].concat();
    let streams = [xz(left), xz(right)].concat();
    for (file, compression) in [(frames, Compression::Zstd), (streams, Compression::Xz)] {
        let target = place(&file, compression);
        assert_eq!(cache.put(&target, file.clone()).status(), 201, "{compression}");
        assert!(cache.server.get(&target).body == file);
        let (mut narinfo, _) = packed(info, &nar, Compression::None);
        narinfo.url = target.trim_start_matches('/').to_owned();
        narinfo.compression = compression;
        narinfo.file_hash = Some(Sha256Digest::of(&file).into());
        narinfo.file_size = Some(file.len() as u64);
        assert!(matches!(cache.put_narinfo(&narinfo).status(), 200 | 201), "{compression}");
    }
    assert_eq!(cache.server.get(&narinfo_of(&standard.blob)).status(), 200);
}

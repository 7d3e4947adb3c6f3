//! The cost of each narinfo and each NAR in pure computation: `cargo bench -p rns-formats`.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail as loudly as a test")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rns_formats::{
    Compression, KeyName, NarInfo, NarName, PathInfo, SecretKey, Sha256Digest, StoreDir, StorePath,
    nar::{LayoutBuilder, NarLayout, NarLimits},
    nix32,
};

/// A path with five references, as many as usual.
fn path_info() -> PathInfo {
    let path = |n| StorePath::parse(&format!("{n:0>32}-package-1.2.3")).unwrap();
    PathInfo {
        path: path(1),
        nar_hash: Sha256Digest::of(b"nar"),
        nar_size: 123_456,
        references: (1..6).map(path).collect(),
        deriver: Some(path(9)),
        signatures: Vec::new(),
        ca: None,
        provenance: None,
        unknown: Vec::new(),
        ultimate: false,
        registration_time: 1_700_000_000,
    }
}

fn narinfos(bench: &mut Criterion) {
    let (info, store_dir) = (path_info(), StoreDir::parse("/nix/store").unwrap());
    let key = SecretKey::from_seed(KeyName::parse("bench-1").unwrap(), &[7; 32]);
    bench.bench_function("narinfo, fingerprint", |b| {
        b.iter(|| black_box(&info).fingerprint(&store_dir));
    });
    let fingerprint = info.fingerprint(&store_dir);
    bench.bench_function("narinfo, signature", |b| b.iter(|| key.sign(black_box(&fingerprint))));
    let signature = key.sign(&fingerprint);
    bench.bench_function("narinfo, text", |b| {
        b.iter(|| {
            let name = NarName::new(info.path.hash_part(), info.nar_hash, Compression::None);
            NarInfo::for_path(
                black_box(&info),
                name.canonical_url(),
                Compression::None,
                Some((info.nar_hash.into(), info.nar_size)),
                vec![signature.clone()],
            )
            .write(&store_dir)
        });
    });
    bench.bench_function("nix32, 32 bytes", |b| b.iter(|| nix32::encode(black_box(&[0xa5; 32]))));
    let text = nix32::encode(&[0xa5; 32]);
    bench.bench_function("nix32, back", |b| {
        b.iter(|| nix32::decode_array::<32>(black_box(&text)).unwrap());
    });
}

/// A hundred directories of a hundred files.
fn layout() -> NarLayout {
    let mut builder = LayoutBuilder::new(NarLimits::default());
    builder.enter_directory().unwrap();
    for directory in 0..100 {
        builder.entry(format!("directory-{directory:03}").as_bytes()).unwrap();
        builder.enter_directory().unwrap();
        for file in 0..100 {
            builder.entry(format!("file-{file:03}.txt").as_bytes()).unwrap();
            builder.regular(false, 5000).unwrap();
        }
        builder.leave_directory().unwrap();
    }
    builder.leave_directory().unwrap();
    builder.finish().unwrap()
}

fn layouts(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("layout of 10,000 files");
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("made", |b| b.iter(layout));
    let made = layout();
    group.bench_function("from end to end", |b| {
        b.iter(|| {
            let (mut position, mut bytes) = (made.position(0), 0);
            while let Some(segment) = made.next_segment(&mut position, u64::MAX) {
                bytes += segment.len();
            }
            assert_eq!(bytes, made.nar_size());
        });
    });
    group.finish();
    let middle = made.nar_size() / 2;
    bench.bench_function("layout, place of a byte", |b| {
        b.iter(|| made.position(black_box(middle)));
    });
}

criterion_group!(benches, narinfos, layouts);
criterion_main!(benches);

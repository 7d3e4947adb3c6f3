//! The cost of a lookup and a NAR without HTTP: `cargo bench -p rns-nix-store`.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail as loudly as a test")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rns_cache::{BinaryCache as _, BlobBody, Chunks as _};
use rns_formats::StorePath;
use rns_nix_store::{LocalStore, StoreConfig};
use rns_testing::{FixtureStore, Tree};
use tokio::runtime::Builder;

async fn length(store: &LocalStore, path: &StorePath) -> u64 {
    let nar = store.nar(path.hash_part(), None).await.unwrap().unwrap();
    match store.read_nar(&nar, 0..nar.size()).await.unwrap().unwrap() {
        BlobBody::Whole(bytes) => bytes.len() as u64,
        BlobBody::Stream(mut stream) => {
            let mut length = 0;
            while let Some(chunk) = stream.next_chunk().await {
                length += chunk.unwrap().len() as u64;
            }
            length
        }
    }
}

fn store(bench: &mut Criterion) {
    let runtime = Builder::new_current_thread().build().unwrap();
    let mut fixture = FixtureStore::new();
    let small = fixture.add("small", Tree::file(vec![b's'; 5000]));
    let large = fixture.add("large", Tree::file(vec![b'l'; 64 << 20]));
    let files = (0..1000).map(|n| (format!("file-{n:04}"), Tree::file(vec![b'f'; 5000])));
    let many = fixture.add("many", Tree::directory(files));
    let config = StoreConfig {
        daemon_socket: None,
        ..StoreConfig::for_root(fixture.root(), fixture.store_dir().clone())
    };
    let store = LocalStore::open(config);

    runtime.block_on(store.path_info(small.hash_part())).unwrap();
    bench.bench_function("peek", |b| b.iter(|| store.peek(black_box(&small.hash_part()))));
    bench.bench_function("lookup in the database", |b| {
        b.iter(|| runtime.block_on(store.path_info(black_box(small.hash_part()))).unwrap());
    });
    let mut group = bench.benchmark_group("NAR");
    group.sample_size(20);
    for (name, path) in [("a small file", &small), ("64 MiB", &large), ("1,000 files", &many)] {
        // The first time the hash is checked.
        let bytes = runtime.block_on(length(&store, path));
        group.throughput(Throughput::Bytes(bytes));
        group.bench_function(name, |b| {
            b.iter(|| assert_eq!(runtime.block_on(length(&store, path)), bytes));
        });
    }
    group.finish();
}

criterion_group!(benches, store);
criterion_main!(benches);

//! The cost of exposure policies on a large store: makes one without files, evaluates policies, prints times and memory.
//!
//! `cargo run --release -p rns-nix-store --example exposure -- [PATHS] [PATHS OF A CLOSURE]`

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that fails has measured nothing"
)]

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rns_cache::{BinaryCache as _, ExposurePolicy, Pattern};
use rns_formats::{HashPart, KeyName, PathInfo, SecretKey, Sha256Digest, StorePath};
use rns_nix_store::{ExposedCache, Exposures, LocalStore, StoreConfig};
use rns_testing::FixtureStore;

/// References of each path besides the one to its predecessor.
const REFERENCES: usize = 5;

/// Paths of the first closure that carry valid signatures, from its bottom.
const SIGNED: usize = 10_000;

struct Large {
    fixture: FixtureStore,
    paths: usize,
    closure: usize,
    key: SecretKey,
}

fn path(index: usize, closure: usize) -> StorePath {
    let digest = Sha256Digest::of(&index.to_le_bytes());
    let hash = HashPart::from_bytes(*digest.as_bytes().first_chunk().unwrap());
    let name = match index % closure {
        at if at + 1 == closure => "top",
        at if at + 10 == closure => "host-secrets",
        _ => "some-package-1.2.3",
    };
    StorePath::parse(&format!("{hash}-{name}-{index}")).unwrap()
}

/// Each path of a closure refers to the one before and to some before that.
fn references(index: usize, closure: usize) -> Vec<usize> {
    let at = index % closure;
    let start = index - at;
    let mut references: Vec<usize> = match at {
        0 => Vec::new(),
        _ => (0..REFERENCES)
            .map(|n| start + (at * (2 * n + 1)).wrapping_mul(2_654_435_761) % at)
            .chain([index - 1])
            .collect(),
    };
    references.push(index);
    references.sort_unstable();
    references.dedup();
    references
}

impl Large {
    fn new(paths: usize, closure: usize) -> Self {
        let fixture = FixtureStore::new();
        let key = SecretKey::from_seed(KeyName::parse("measured-1").unwrap(), &[7; 32]);
        let connection = fixture.connection();
        connection.execute_batch("begin").unwrap();
        let mut row = connection
            .prepare("insert into ValidPaths (id, path, hash, registrationTime, narSize, sigs) values (?, ?, ?, 1, 120, ?)")
            .unwrap();
        let mut edge = connection.prepare("insert into Refs values (?, ?)").unwrap();
        let dir = fixture.store_dir();
        for index in 0..paths {
            let path = path(index, closure);
            let nar_hash = Sha256Digest::of(path.as_str().as_bytes());
            let referred = references(index, closure);
            let signature = (index < SIGNED).then(|| {
                let info = PathInfo {
                    path: path.clone(),
                    nar_hash,
                    nar_size: 120,
                    references: referred.iter().map(|&it| self::path(it, closure)).collect(),
                    deriver: None,
                    signatures: Vec::new(),
                    ca: None,
                    provenance: None,
                    unknown: Vec::new(),
                    ultimate: false,
                    registration_time: 1,
                };
                key.sign(info.fingerprint(dir)).to_string()
            });
            let hash = format!("sha256:{}", nar_hash.to_hex());
            row.execute((index as i64 + 1, dir.print(&path), hash, signature)).unwrap();
            for reference in referred {
                edge.execute((index as i64 + 1, reference as i64 + 1)).unwrap();
            }
        }
        drop((row, edge));
        connection.execute_batch("commit").unwrap();
        Self { fixture, paths, closure, key }
    }

    fn open(&self) -> LocalStore {
        LocalStore::open(StoreConfig {
            daemon_socket: None,
            ..StoreConfig::for_root(self.fixture.root(), self.fixture.store_dir().clone())
        })
    }

    /// The top of a closure.
    fn top(&self, number: usize) -> StorePath {
        path((number + 1) * self.closure - 1, self.closure)
    }

    fn link(&self, target: &StorePath) -> PathBuf {
        let (place, temporary) =
            (self.fixture.root().join("system"), self.fixture.root().join("temporary"));
        symlink(self.fixture.store_dir().print(target), &temporary).unwrap();
        fs::rename(temporary, &place).unwrap();
        place
    }
}

/// Resident memory in MiB.
fn memory() -> f64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096.0 / f64::from(1 << 20)
}

async fn evaluate(large: &Large, what: &str, policy: &ExposurePolicy) -> ExposedCache {
    let (before, started) = (memory(), Instant::now());
    let store = Exposures::new(large.open()).cache(policy);
    store.exposure_known().await.unwrap();
    let took = started.elapsed();
    let numbers = store.exposure_numbers();
    println!(
        "{what}: {took:.2?}, {} exposed, {} withheld, {:+.0} MiB",
        numbers.exposed,
        numbers.withheld,
        memory() - before
    );
    store
}

/// How long until something is so.
async fn until(mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < Duration::from_secs(60), "it does not happen");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    started.elapsed()
}

async fn profile(large: &Large) {
    let place = large.link(&large.top(0));
    let roots = Some(vec![place]);
    let policy = ExposurePolicy { roots, ..ExposurePolicy::default() };
    let store = evaluate(large, "roots", &policy).await;
    for (what, from, to) in [("new", 0, 1), ("known", 1, 0)] {
        large.link(&large.top(to));
        let started = Instant::now();
        // Without files, this is a miss under every policy; it waits for the set all the same.
        _ = store.path_info(large.top(to).hash_part()).await.unwrap();
        assert_eq!(store.exposes_now(&large.top(to).hash_part()), Some(true));
        println!("  switched to a {what} generation: seen after {:.2?}", started.elapsed());
        large.link(&large.top(from));
        let took =
            until(async || store.exposes_now(&large.top(to).hash_part()) == Some(false)).await;
        println!("  switched back: the other is gone after {took:.2?}");
        large.link(&large.top(to));
        _ = store.path_info(large.top(to).hash_part()).await.unwrap();
    }
    lookups(large, &store).await;
}

async fn lookups(large: &Large, store: &ExposedCache) {
    let known: Vec<HashPart> =
        (0..large.closure).map(|index| path(index, large.closure).hash_part()).collect();
    let started = Instant::now();
    let exposed = known.iter().filter(|hash| store.exposes_now(hash) == Some(true)).count();
    println!(
        "  one look into the set: {:.0?} ({exposed} of {} exposed)",
        started.elapsed() / known.len() as u32,
        known.len()
    );
    let hidden: Vec<HashPart> = (2 * large.closure..2 * large.closure + 2000)
        .map(|index| path(index, large.closure).hash_part())
        .collect();
    let missing: Vec<HashPart> = (large.paths..large.paths + 2000)
        .map(|index| path(index, large.closure).hash_part())
        .collect();
    for (what, hashes) in [("hidden", hidden), ("missing", missing)] {
        let (started, questions) = (Instant::now(), store.inner().numbers().questions);
        for hash in &hashes {
            assert!(store.path_info(*hash).await.unwrap().is_none());
        }
        println!(
            "  a {what} path: {:.1?}, {} questions to the database",
            started.elapsed() / hashes.len() as u32,
            store.inner().numbers().questions - questions
        );
    }
}

async fn signed(large: &Large) {
    let policy = ExposurePolicy {
        signed_by: Some(vec![large.key.public_key()]),
        ..ExposurePolicy::default()
    };
    let store = evaluate(large, "signed_by", &policy).await;
    let signed = SIGNED.min(large.closure) - 1;
    let top = path(signed, large.closure);
    fs::create_dir(large.fixture.real_path(&top)).unwrap();
    for what in ["first", "second"] {
        let started = Instant::now();
        let found = store.path_info(top.hash_part()).await.unwrap();
        assert!(found.is_some());
        println!("  {what} question for a closure of {SIGNED}: {:.2?}", started.elapsed());
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|it| it.parse::<usize>().unwrap());
    let paths = arguments.next().unwrap_or(1_000_000);
    let closure = arguments.next().unwrap_or(100_000);
    assert!(paths >= 3 * closure, "there must be three closures");
    let started = Instant::now();
    let large = Large::new(paths, closure);
    println!("{paths} paths in closures of {closure}, made in {:.0?}", started.elapsed());
    println!("{:.0} MiB of memory", memory());
    let patterns = |text: &str| vec![Pattern::parse(text).unwrap()];

    profile(&large).await;
    let everything = ExposurePolicy::default();
    let deny = ExposurePolicy { deny: patterns("*-secrets*"), ..everything.clone() };
    evaluate(&large, "deny", &deny).await;
    evaluate(&large, "names", &everything.restricted_to(patterns("top-1*"))).await;
    let root = Path::new(large.fixture.store_dir().as_str()).join(large.top(0).as_str());
    let both = ExposurePolicy { roots: Some(vec![root]), ..deny };
    evaluate(&large, "roots and deny", &both).await;
    signed(&large).await;
}

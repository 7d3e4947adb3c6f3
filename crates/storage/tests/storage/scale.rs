//! Marking, asking and setting a root over many indexed paths, which SQL makes.
//!
//! `RNS_INDEX_PATHS=1000000 cargo nextest run --release -p rns-storage scale --no-capture` prints a table for
//! `docs/benchmarks.md`: how long it takes, how much memory, and how long readers and pushers wait meanwhile. There are as many
//! documents as paths, or `RNS_INDEX_DOCUMENTS`.

use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rns_cache::{
    BinaryCache as _, NewRoot, RootLifetime, RootPath, RootedCache as _, WritableCache as _,
};
use rns_formats::{Compression, HashPart, RootName, StoreDir};
use rns_storage::{
    collect::{preview, why},
    index::{Index, postgres::PostgresIndex, sqlite::SqliteIndex},
    objects::{ObjectKey, Objects},
    read::StorageReader,
    retention::Retention,
    write::{Nowhere, Storage, UploadLimits},
};
use rns_testing::{PostgresServer, Scratch, Standard};

use crate::support::{packed, pusher};

/// Paths where nothing else is said.
const FEW: u64 = 2_000;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
}

fn count() -> u64 {
    number("RNS_INDEX_PATHS", FEW)
}

/// Fills the tables: each path refers to some before it, as in a store: all to one of the first twenty, and to others so
/// that no chain is longer than the logarithm of their number. A root names every thousandth of the second half.
fn fill(count: u64, numbers: &str, hash: &str) -> String {
    format!(
        "insert into nars (id, key, file_hash, file_size, nar_hash, nar_size, stored, touched, verified) {over} \
           select {id}, 'nar/' || {hash} || '.nar', '', 1000 + i % 5000, '', 9000, 1, 1, 1 from numbers; \
         insert into paths (id, hash, path, state, nar, nar_size, file_size, published, touched, used, deriver) {over} \
           select {id}, {hash}, {hash} || '-path', 2, i, 9000, 1000 + i % 5000, 1, 1 + i % 1000, 0, {hash} || '-path.drv' \
           from numbers; \
         insert into documents (key, kind, owner, touched) \
           select 'log/' || {hash} || '-path.drv', 1, {hash} || '-path.drv', 1 from numbers \
             where i % 3 = 0 and i <= {documents} union all \
           select 'realisations/sha256:' || {hash} || '!out.doi', 2, {hash}, 1 from numbers \
             where i % 3 = 1 and i <= {documents} union all \
           select 'debuginfo/' || {hash}, 3, 'nar/' || {hash} || '.nar', 1 from numbers \
             where i % 3 = 2 and i <= {documents}; \
         insert into refs (referrer, reference) \
           select distinct i, r from (select i, 1 + i % 20 as r from numbers union all \
             select i, i / 2 from numbers union all select i, i / 3 + 1 from numbers union all \
             select i, i / 7 + 1 from numbers union all select i, i / 50 + 1 from numbers) as back \
             where r > 0 and r < i; \
         insert into roots (id, name, revision, created, pusher) {over} values (1000, 'main', 1, 1, 'ci'); \
         insert into root_paths (root, path) select 1000, i from numbers where i % 1000 = 0 and i * 2 > {count};",
        over = if numbers.starts_with("create table") { "" } else { "overriding system value" },
        id = "i",
        documents = documents(count),
    )
}

fn documents(count: u64) -> u64 {
    number("RNS_INDEX_DOCUMENTS", count).min(count)
}

/// The size of the closure of a root that is set.
const ROOT_CLOSURE: usize = 10_000;

fn hash(number: u64) -> HashPart {
    HashPart::parse(&format!("{number:032}")).unwrap()
}

/// The numbers of these paths and of all that they need, as [`fill`] has it.
fn closure(paths: impl Iterator<Item = u64>) -> BTreeSet<u64> {
    let (mut seen, mut open) = (BTreeSet::new(), paths.collect::<Vec<_>>());
    while let Some(path) = open.pop() {
        if seen.insert(path) {
            let needed = [1 + path % 20, path / 2, path / 3 + 1, path / 7 + 1, path / 50 + 1];
            open.extend(needed.into_iter().filter(|needed| (1..path).contains(needed)));
        }
    }
    seen
}

/// Sets a root with a closure of [`ROOT_CLOSURE`] paths, or half of all. Returns how many there are, and how long it took.
async fn set_root(storage: &Storage, count: u64) -> (usize, Duration) {
    let wanted = ROOT_CLOSURE.min(count as usize / 2);
    let named = (1..).map(|tens| count + 1 - tens * 10..count + 1);
    let named = named.clone().find(|named| closure(named.clone()).len() >= wanted).unwrap();
    let root = NewRoot {
        name: RootName::parse("set").unwrap(),
        paths: named.clone().map(|number| RootPath::Hash(hash(number))).collect(),
        lifetime: RootLifetime::default(),
        label: None,
    };
    let begun = Instant::now();
    storage.put_root(&root, &pusher()).await.unwrap();
    let took = begun.elapsed();
    storage.delete_root(&root.name).await.unwrap();
    (closure(named).len(), took)
}

/// Times of questions, of which the 99th percentile is told.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn p99(&mut self) -> Duration {
        self.0.sort_unstable();
        self.0.get(self.0.len() * 99 / 100).copied().unwrap_or_default()
    }
}

/// A reader asks for a narinfo and a pusher whether a path is there, until it is over. Returns the 99th percentile of each.
async fn asked(
    storage: &Storage,
    (read, promised): (HashPart, HashPart),
    over: impl Fn(usize) -> bool,
) -> (Duration, Duration) {
    let (mut narinfos, mut promises) = (Times::default(), Times::default());
    while !over(narinfos.0.len()) {
        let begun = Instant::now();
        assert!(storage.path_info(read).await.unwrap().is_some());
        narinfos.0.push(begun.elapsed());
        let begun = Instant::now();
        storage.promise_path(&promised).await.unwrap();
        promises.0.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    (narinfos.p99(), promises.p99())
}

/// A path whose narinfo can be read, past the index.
async fn readable(storage: &Storage) -> HashPart {
    let standard = Standard::new();
    let (narinfo, _) = packed(
        standard.store.info(&standard.blob),
        &standard.store.nar(&standard.blob),
        Compression::None,
    );
    let hash = standard.blob.hash_part();
    let text = narinfo.write(&StoreDir::default());
    let objects = storage.reader().objects();
    objects.write_small(&ObjectKey::narinfo(&hash), text.into()).await.unwrap();
    hash
}

/// The peak of this process's memory, in MiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

async fn measure(name: &str, index: Arc<dyn Index>, count: u64) {
    let reader = StorageReader::new(Objects::in_memory(), StoreDir::default(), 1 << 20);
    let storage =
        Storage::new(reader, Arc::clone(&index), Arc::new(Nowhere), UploadLimits::default());
    let policy =
        Retention { min_age: Duration::from_secs(3600), keep_roots: true, ..Retention::default() };
    let asks = (readable(&storage).await, hash(7));
    let (quiet, quiet_pusher) = asked(&storage, asks, |times| times == 200).await;
    let before = peak();
    let is_over = Arc::new(AtomicBool::new(false));
    let asking = tokio::spawn({
        let (storage, is_over) = (storage.clone(), Arc::clone(&is_over));
        async move { asked(&storage, asks, |_| is_over.load(Relaxed)).await }
    });
    let begun = Instant::now();
    let found = preview(&storage, &policy).await.unwrap();
    let (took, memory) = (begun.elapsed(), peak());
    is_over.store(true, Relaxed);
    let (busy, busy_pusher) = asking.await.unwrap();
    let kept = found.plan.kept_amount().paths;
    assert_eq!(kept + found.plan.going.len() as u64, count);
    assert!(kept > 0 && !found.plan.going.is_empty());
    let (kept, going) = (&found.documents.kept, &found.documents.going);
    assert_eq!(kept.total() + going.total(), documents(count));
    assert!(documents(count) == 0 || (kept.total() > 0 && going.total() > 0));
    drop(found);
    let begun = Instant::now();
    let low = why(&storage, &hash(5), &policy).await.unwrap().unwrap();
    let (of_low, begun) = (begun.elapsed(), Instant::now());
    why(&storage, &hash(count), &policy).await.unwrap().unwrap();
    let of_high = begun.elapsed();
    let (in_root, setting) = set_root(&storage, count).await;
    // Roots need it, although more refers to it than is looked at.
    let (root, chain) = low.root.unwrap();
    assert_eq!((root.as_str(), chain.last()), ("main", Some(&low.record.path)));
    assert!(chain.len() > 1);
    #[expect(clippy::print_stderr, reason = "the figures are the result")]
    {
        let milliseconds = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
        let growth =
            |quiet: Duration, busy| format!("{} → {}", milliseconds(quiet), milliseconds(busy));
        let rows = [
            ("paths and documents", format!("{count} and {}", documents(count))),
            ("marked in", format!("{:.1} s", took.as_secs_f64())),
            ("memory at most (before)", format!("{memory} MiB ({before} MiB)")),
            ("p99 of a narinfo, quiet → while marking", growth(quiet, busy)),
            ("the same of a question of a pusher", growth(quiet_pusher, busy_pusher)),
            ("`why`, of a path that much refers to", milliseconds(of_low)),
            ("`why`, of one that nothing refers to", milliseconds(of_high)),
            ("setting a root", format!("{} ({in_root} paths)", milliseconds(setting))),
        ];
        eprintln!("\n| | {name} |\n|---|---|");
        for (what, figure) in rows {
            eprintln!("| {what} | {figure} |");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite() {
    let (scratch, count) = (Scratch::new(), count());
    let file = scratch.join("index.sqlite");
    let index = SqliteIndex::new(file.clone(), false);
    index.check().await.unwrap();
    let numbers = format!(
        "create table numbers as with recursive n (i) as (select 1 union all select i + 1 from n where i < {count}) \
         select i from n;"
    );
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.execute_batch(&numbers).unwrap();
    connection.execute_batch(&fill(count, &numbers, "printf('%032d', i)")).unwrap();
    measure("SQLite", Arc::new(index), count).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres() {
    let Some(server) = PostgresServer::start() else { return };
    let count = count();
    let index = PostgresIndex::new(&server.url()).unwrap();
    index.check().await.unwrap();
    let (client, connection) =
        tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    let task = tokio::spawn(connection);
    let numbers =
        format!("create temp table numbers as select generate_series(1::bigint, {count}) as i;");
    client.batch_execute(&numbers).await.unwrap();
    let hash = "lpad(i::text, 32, '0')";
    client.batch_execute(&fill(count, &numbers, hash)).await.unwrap();
    client.batch_execute("analyze").await.unwrap();
    measure("PostgreSQL", Arc::new(index), count).await;
    drop(client);
    task.await.unwrap().unwrap();
}

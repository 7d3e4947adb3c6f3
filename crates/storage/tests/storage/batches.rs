//! The parts of a collection that others could have to wait for: how many rows a transaction has, and that none is open while
//! an object is being removed.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use rns_cache::{
    BinaryCache as _, NewRoot, RootLifetime, RootPath, RootedCache as _, WritableCache as _,
};
use rns_formats::{RootName, StoreDir};
use rns_storage::{
    collect::collect,
    index::{Index, postgres::PostgresIndex, sqlite::SqliteIndex},
    objects::Objects,
    read::StorageReader,
    retention::Retention,
    write::{Nowhere, Storage, UploadLimits},
};
use rns_testing::{PostgresServer, S3Server, Scratch, Standard};
use tokio::time::{sleep, timeout};

use crate::support::{name_of, packed, pusher, use_credentials};

/// Rows of one transaction. Others wait for some milliseconds.
const MAX_ROWS: i64 = 200;

/// How long something may take that is not waited for.
const PATIENCE: Duration = Duration::from_secs(60);

fn roots_only() -> Retention {
    Retention { min_age: Duration::ZERO, keep_roots: true, ..Retention::default() }
}

fn over(objects: Objects, index: Arc<dyn Index>) -> Storage {
    let reader = StorageReader::new(objects, StoreDir::default(), 1 << 20);
    Storage::new(reader, index, Arc::new(Nowhere), UploadLimits::default())
}

/// So many paths that nothing needs, each with a NAR of its own.
fn fill(hash: &str, over: &str, numbers: &str) -> String {
    format!(
        "insert into nars (id, key, file_hash, file_size, nar_hash, nar_size, stored, touched, verified) {over} \
           select i, 'nar/' || {hash} || '.nar', '', 10, '', 10, 1, 1, 1 from {numbers}; \
         insert into paths (id, hash, path, state, nar, nar_size, file_size, published, touched, used, deriver) {over} \
           select i, {hash}, {hash} || '-path', 2, i, 10, 10, 1, 1, 0, '' from {numbers};"
    )
}

#[tokio::test]
async fn a_transaction_in_sqlite_is_about_few_paths() {
    let scratch = Scratch::new();
    let file = scratch.join("index.sqlite");
    let index = Arc::new(SqliteIndex::new(file.clone(), false));
    index.check().await.unwrap();
    let connection = rusqlite::Connection::open(file).unwrap();
    let numbers = "(with recursive n (i) as (select 1 union all select i + 1 from n where i < 1000) select i from n)";
    connection.execute_batch(&fill("printf('%032d', i)", "", numbers)).unwrap();
    // Rows that are condemned or claimed at a time are those of one transaction, which the next ones end.
    for table in ["paths", "nars"] {
        let watch = format!(
            "create table seen_{table} (state integer, together integer); \
             create trigger watch_{table} after update of state on {table} when new.state <> 0 begin \
               insert into seen_{table} select new.state, count(*) from {table} where state = new.state; end;"
        );
        connection.execute_batch(&watch).unwrap();
    }
    let done = collect(&over(Objects::in_memory(), index), &roots_only(), &|_| ()).await.unwrap();
    assert_eq!((done.swept.paths, done.swept.nars), (1000, 1000));
    for (table, states) in [("paths", [3, 4]), ("nars", [1, 2])] {
        for state in states {
            let most = format!("select max(together) from seen_{table} where state = {state}");
            let most: i64 = connection.query_row(&most, [], |row| row.get(0)).unwrap();
            assert_eq!(most, MAX_ROWS, "{table} in state {state}");
        }
    }
}

#[tokio::test]
async fn a_transaction_in_postgresql_is_about_few_paths() {
    let Some(server) = PostgresServer::start() else { return };
    let index = Arc::new(PostgresIndex::new(&server.url()).unwrap());
    index.check().await.unwrap();
    let (client, connection) =
        tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    let task = tokio::spawn(connection);
    let filled = fill(
        "lpad(i::text, 32, '0')",
        "overriding system value",
        "generate_series(1::bigint, 1000) i",
    );
    client.batch_execute(&filled).await.unwrap();
    let watch = "create table seen (name text, state bigint, transaction bigint); \
        create function note() returns trigger language plpgsql as $$ begin \
          insert into seen values (tg_table_name, case when tg_op = 'DELETE' then -1 else new.state end, txid_current()); \
          return null; end $$; \
        create trigger watch after update or delete on paths for each row execute function note(); \
        create trigger watch after update or delete on nars for each row execute function note();";
    client.batch_execute(watch).await.unwrap();
    let done = collect(&over(Objects::in_memory(), index), &roots_only(), &|_| ()).await.unwrap();
    assert_eq!((done.swept.paths, done.swept.nars), (1000, 1000));
    let rows = client
        .query("select name, state, count(*) from seen group by name, state, transaction", &[])
        .await
        .unwrap();
    assert!(rows.len() >= 5 * 5, "{} transactions", rows.len());
    for row in rows {
        let (name, state, count): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
        assert!(count <= MAX_ROWS, "{count} rows of {name} in state {state}");
    }
    drop(client);
    task.await.unwrap().unwrap();
}

/// Passes requests to a bucket, and holds back those that remove objects while it is closed.
struct Gate {
    address: SocketAddr,
    shared: Arc<GateState>,
}

#[derive(Default)]
struct GateState {
    is_closed: Mutex<bool>,
    opened: Condvar,
    held: AtomicUsize,
}

impl Gate {
    fn before(bucket: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, shared) = (listener.local_addr().unwrap(), Arc::<GateState>::default());
        let its = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(bucket) else { continue };
                let (back, forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let its = Arc::clone(&its);
                thread::spawn(move || copy(back, forth, |_| ()));
                thread::spawn(move || copy(client, server, |request| its.hold(request)));
            }
        });
        Self { address, shared }
    }

    fn close(&self) {
        *self.shared.is_closed.lock().unwrap() = true;
    }

    fn open(&self) {
        *self.shared.is_closed.lock().unwrap() = false;
        self.shared.opened.notify_all();
    }
}

impl GateState {
    fn hold(&self, request: &[u8]) {
        let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let is_removal =
            line.starts_with("DELETE ") || (line.starts_with("POST ") && line.contains("?delete"));
        if !is_removal {
            return;
        }
        let mut is_closed = self.is_closed.lock().unwrap();
        self.held.fetch_add(usize::from(*is_closed), SeqCst);
        while *is_closed {
            is_closed = self.opened.wait(is_closed).unwrap();
        }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, look: impl Fn(&[u8])) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        look(&buffer[..read]);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    _ = from.shutdown(Shutdown::Both);
    _ = to.shutdown(Shutdown::Both);
}

async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn push(storage: &Storage, standard: &Standard, path: &rns_formats::StorePath) {
    let (info, nar) = (standard.store.info(path), standard.store.nar(path));
    let (narinfo, file) = packed(info, &nar, rns_formats::Compression::Zstd);
    let mut upload = storage.begin_nar(&name_of(&narinfo), None).await.unwrap();
    upload.write(file.into()).await.unwrap();
    upload.finish().await.unwrap();
    storage.publish(&narinfo, &pusher()).await.unwrap();
}

/// While the bucket does not answer the requests that remove objects, everything else goes on.
async fn nothing_waits_for_a_removal(
    index: Arc<dyn Index>,
    has_open_transaction: impl AsyncFn() -> bool,
) {
    let Some(bucket) = S3Server::start() else { return };
    use_credentials(bucket.credentials_file());
    let url: url::Url = bucket.url().parse().unwrap();
    let endpoint = url.query_pairs().find(|(name, _)| name == "endpoint").unwrap().1.into_owned();
    let gate = Gate::before(endpoint.trim_start_matches("http://").parse().unwrap());
    let passing = bucket.url().replace(&endpoint, &format!("http://{}", gate.address));
    let objects = Objects::open(&passing.parse().unwrap(), false).unwrap();
    let (storage, standard) = (over(objects, index), Standard::new());
    storage.initialise().await.unwrap();
    for path in [&standard.dep, &standard.top, &standard.blob] {
        push(&storage, &standard, path).await;
    }
    // Times are kept in whole seconds.
    sleep(Duration::from_millis(2100)).await;
    gate.close();
    let is_over = AtomicBool::new(false);
    let collecting = async {
        let policy = Retention { min_age: Duration::from_secs(1), ..roots_only() };
        let done = collect(&storage, &policy, &|_| ()).await.unwrap();
        is_over.store(true, SeqCst);
        done
    };
    let others = async {
        // Those of the two paths that nothing refers to.
        eventually("two removals", async || gate.shared.held.load(SeqCst) == 2).await;
        eventually("no transaction is open", async || !has_open_transaction().await).await;
        let dep = standard.dep.hash_part();
        assert!(storage.path_info(dep).await.unwrap().is_some());
        assert!(storage.promise_path(&dep).await.unwrap());
        push(&storage, &standard, &standard.tree).await;
        let root = NewRoot {
            name: RootName::parse("main").unwrap(),
            paths: vec![RootPath::Path(standard.tree.clone())],
            lifetime: RootLifetime::default(),
            label: None,
        };
        storage.put_root(&root, &pusher()).await.unwrap();
        assert!(!is_over.load(SeqCst));
    };
    let others = async {
        timeout(PATIENCE, others).await.expect("a request waits for a removal");
        gate.open();
    };
    let (done, ()) = tokio::join!(collecting, others);
    assert_eq!(done.swept.paths, 2, "dep was told to a pusher meanwhile");
    for (path, is_there) in [(&standard.dep, true), (&standard.top, false), (&standard.tree, true)]
    {
        storage.reader().forget(&path.hash_part());
        assert_eq!(
            storage.path_info(path.hash_part()).await.unwrap().is_some(),
            is_there,
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_transaction_of_sqlite_spans_a_removal() {
    let scratch = Scratch::new();
    let file = scratch.join("index.sqlite");
    let writes = async || {
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection.busy_timeout(Duration::ZERO).unwrap();
        connection.execute_batch("begin immediate; commit").is_err()
    };
    nothing_waits_for_a_removal(Arc::new(SqliteIndex::new(file.clone(), false)), writes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_transaction_of_postgresql_spans_a_removal() {
    let Some(server) = PostgresServer::start() else { return };
    let (client, connection) =
        tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let open = async || {
        let question = "select count(*) from pg_stat_activity \
            where application_name = 'rust-nix-serve' and xact_start is not null";
        client.query_one(question, &[]).await.unwrap().get::<_, i64>(0) > 0
    };
    let index = PostgresIndex::new(&server.url()).unwrap();
    nothing_waits_for_a_removal(Arc::new(index), open).await;
}

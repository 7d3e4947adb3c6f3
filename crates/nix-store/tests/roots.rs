//! The suite of roots over the local store as a target of uploads, with a real Nix daemon and its collector.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as loudly as tests")]

use std::{
    num::NonZeroU32,
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rns_cache::{
    CacheFactory as _, ExposurePolicy, NewRoot, Pusher, RootError, RootLifetime, RootPath,
    RootPattern, RootRule, RootedCache, WritableCache, async_trait,
    conformance::{RootedSubject, check_roots},
};
use rns_formats::{RootName, StoreDir, StorePath};
use rns_nix_store::{ImportConfig, LocalCaches, Spool, StoreConfig};
use rns_testing::{Client, Nix, Process, Scratch};

/// A store with its daemon, and the caches that it appears as.
struct Machine {
    client: Client,
    paths: Vec<StorePath>,
    caches: LocalCaches,
    scratch: Scratch,
    _daemon: Process,
}

impl Machine {
    fn new(nix: &Nix) -> Self {
        let (client, scratch) = (nix.client(), Scratch::new());
        client.run("nix-store", ["--init"]).success();
        let mut command = client.command("nix-daemon");
        let socket = scratch.join("daemon");
        let daemon = Process::start(command.env("NIX_DAEMON_SOCKET_PATH", &socket));
        while UnixStream::connect(&socket).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let expression = "builtins.toFile \"top\" \"${builtins.toFile \"dep\" \"needed\"}\"";
        let evaluate = ["--eval", "--read-write-mode", "--expr", expression];
        let top = client.run("nix-instantiate", evaluate).success();
        let top = parsed(&top.text());
        let full = StoreDir::default().print(&top);
        let dep = client.run("nix-store", ["--query", "--references", full.as_str()]).success();
        let dep = parsed(&dep.text());
        let file = scratch.join("other");
        std::fs::write(&file, "by itself\n").unwrap();
        let other = client.run("nix-store", ["--add", file.to_str().unwrap()]).success();
        let other = parsed(&other.text());
        let caches = open(&client, &scratch);
        Self { paths: vec![dep, top, other], client, caches, scratch, _daemon: daemon }
    }

    fn target(&self, cache: Option<&str>) -> Arc<dyn WritableCache> {
        self.caches.uploads(cache, &ExposurePolicy::default()).unwrap().target
    }

    fn roots(&self) -> PathBuf {
        self.client.root().join("nix/var/nix/gcroots/rust-nix-serve")
    }
}

fn parsed(text: &str) -> StorePath {
    let path = text.trim().trim_matches('"').rsplit('/').next().unwrap();
    StorePath::parse(path).unwrap()
}

fn open(client: &Client, scratch: &Scratch) -> LocalCaches {
    let config = StoreConfig {
        daemon_socket: Some(scratch.join("daemon")),
        ..StoreConfig::for_root(client.root(), StoreDir::default())
    };
    let import = import_config(client, scratch, 7);
    let (spool, age) = (import.spool_directory.clone(), import.spool_age);
    let spool = Spool::open(spool, import.spool_size, age).unwrap();
    LocalCaches::open(config).with_uploads(spool, import)
}

/// Uploads into the store, with roots `pr/*` for so many days.
fn import_config(client: &Client, scratch: &Scratch, days: u32) -> ImportConfig {
    // One process uses a spool at a time.
    static OPENED: AtomicUsize = AtomicUsize::new(0);
    let rule = RootRule {
        roots: vec![RootPattern::parse("pr/*").unwrap()],
        lifetime: RootLifetime { days: NonZeroU32::new(days), revisions: NonZeroU32::new(2) },
    };
    let spool = scratch.join(format!("spool-{}", OPENED.fetch_add(1, Ordering::Relaxed)));
    ImportConfig {
        max_nar_size: 16 << 20,
        decoder_memory: 16 << 20,
        spool_directory: spool,
        spool_size: 16 << 20,
        spool_age: Duration::from_secs(3600),
        roots_directory: client.root().join("nix/var/nix/gcroots/rust-nix-serve"),
        roots_lifetime: Duration::from_secs(3600),
        keep_free: None,
        min_age: Duration::ZERO,
        root_rules: vec![rule],
    }
}

#[async_trait]
impl RootedSubject for Machine {
    fn cache(&self) -> Arc<dyn WritableCache> {
        self.target(None)
    }

    fn paths(&self) -> Vec<StorePath> {
        self.paths.clone()
    }

    async fn reopen(&mut self) {
        self.caches = open(&self.client, &self.scratch);
    }

    async fn collect(&mut self) {
        self.client.run("nix-store", ["--gc"]).success();
    }
}

fn machines() -> impl Iterator<Item = Machine> {
    [Nix::v2_8(), Nix::v2_34()].into_iter().flatten().map(|nix| Machine::new(&nix))
}

fn root(name: &str, path: &StorePath) -> NewRoot {
    NewRoot {
        name: RootName::parse(name).unwrap(),
        paths: vec![RootPath::Path(path.clone())],
        lifetime: RootLifetime::default(),
        label: None,
    }
}

async fn put(target: &dyn WritableCache, root: &NewRoot) -> Result<(), RootError> {
    let pusher = Pusher { name: "token ci".to_owned(), address: None };
    rooted(target).put_root(root, &pusher).await.map(|_| ())
}

fn rooted(target: &dyn WritableCache) -> &dyn RootedCache {
    target.rooted().unwrap()
}

#[tokio::test]
async fn the_roots_of_a_store_conform() {
    for mut machine in machines() {
        check_roots(&mut machine).await;
        assert!(!machine.roots().join("named/a").exists());
    }
}

#[tokio::test]
async fn each_cache_of_a_store_has_its_own_roots() {
    for machine in machines() {
        let (one, two) = (machine.target(None), machine.target(Some("b")));
        put(&*one, &root("main", &machine.paths[0])).await.unwrap();
        put(&*two, &root("main", &machine.paths[2])).await.unwrap();
        assert!(rooted(&*one).delete_root(&RootName::parse("main").unwrap()).await.unwrap());
        let left = rooted(&*two).roots(None, 10).await.unwrap();
        assert_eq!((left.len(), &left[0].newest.paths[0]), (1, &machine.paths[2]));
        let link = machine.roots().join("cache/b/named/main~1").join(machine.paths[2].as_str());
        assert!(link.is_symlink());
        machine.client.run("nix-store", ["--gc"]).success();
        assert!(machine.client.real_path(machine.paths[2].as_str()).exists());
        assert!(!machine.client.real_path(machine.paths[0].as_str()).exists());
    }
}

#[tokio::test]
async fn other_rules_are_about_roots_that_are_set_after_a_reload() {
    for mut machine in machines() {
        let days = async |machine: &Machine| {
            let target = machine.target(None);
            put(&*target, &root("pr/1", &machine.paths[0])).await.unwrap();
            let set = rooted(&*target).root(&RootName::parse("pr/1").unwrap()).await.unwrap();
            set[0].expires.unwrap().duration_since(set[0].created).unwrap().as_secs() / 86_400
        };
        assert_eq!(days(&machine).await, 7);
        let config = import_config(&machine.client, &machine.scratch, 3);
        machine.caches = machine.caches.clone().with_import_config(config);
        machine.caches.take_effect();
        assert_eq!(days(&machine).await, 3);
    }
}

#[tokio::test]
async fn a_root_of_a_path_that_was_collected_is_refused() {
    for machine in machines() {
        let target = machine.target(None);
        let other = &machine.paths[2];
        // The row is remembered for a moment.
        assert!(target.path_info(other.hash_part()).await.unwrap().is_some());
        machine.client.run("nix-store", ["--gc"]).success();
        match put(&*target, &root("main", other)).await {
            Err(RootError::MissingPaths { paths, count: 1 }) => {
                assert_eq!(paths[0].hash, other.hash_part());
            }
            refused => panic!("{refused:?}"),
        }
        assert!(!machine.roots().join("named").exists());
    }
}

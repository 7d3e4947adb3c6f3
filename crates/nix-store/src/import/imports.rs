//! From a narinfo to a valid path with a root.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use rns_cache::{CacheError, DiskRoom, KeepFree, PublishError, Published, Pusher, VerifiedNar};
use rns_formats::{NarInfo, NarName, PathInfo, StorePath};
use rns_verify::{
    DecoderMemory, MAX_CHECKED_NARS,
    narinfo::{AddressClaim, agree, new_signatures, uploaded_nar},
};
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{
    ImportConfig, Spool,
    daemon_link::{DaemonLink, HoldingConnection},
    kept::KeptPaths,
    kept_by_cache::KeptByCache,
    refusal::{refused, way_to_daemon},
};
use crate::{
    LocalStore,
    daemon::{DaemonError, PathToAdd},
};

/// The interval of looking for expired links.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(60);

/// The part of the store that a pusher sees, as far as a narinfo is about it, and the paths that are kept for its cache.
pub(super) struct Sight<'a> {
    /// The paths that the cache keeps.
    pub(super) kept: &'a KeptPaths,
    /// Whether the pusher sees the path, if it is valid.
    pub(super) is_shown: bool,
    /// The references that the pusher does not see, if they are valid.
    pub(super) hidden: Vec<StorePath>,
}

/// The room on the disk of the store.
#[derive(Clone, Copy)]
pub(super) struct RoomRule {
    /// How much is kept free.
    pub(super) keep_free: Option<KeepFree>,
    /// How long a pushed path is kept even then.
    pub(super) min_age: Duration,
}

impl RoomRule {
    const fn of(config: &ImportConfig) -> Self {
        Self { keep_free: config.keep_free, min_age: config.min_age }
    }
}

/// Everything that uploads into one store share.
pub struct Imports {
    pub(super) store: LocalStore,
    pub(super) spool: Spool,
    pub(super) decoder_memory: Arc<DecoderMemory>,
    pub(super) uploads: Arc<Semaphore>,
    pub(super) kept: KeptByCache,
    room: Mutex<RoomRule>,
    /// The disk of the store at the last look.
    disk: Mutex<Option<DiskRoom>>,
    /// For imports, each as long as its NAR is.
    imports: DaemonLink,
    /// For questions, which must not wait for imports.
    pub(super) questions: DaemonLink,
    /// Whether it was said that the daemon takes no signatures.
    signatures_told: AtomicBool,
}

impl Imports {
    /// Uploads into a store through its daemon. `None` when it has none.
    #[must_use]
    pub fn new(store: LocalStore, spool: Spool, config: &ImportConfig) -> Option<Self> {
        let parts = &store.questions().parts;
        let socket = parts.config.daemon_socket.clone()?;
        let link = || DaemonLink::new(socket.clone(), parts.config.daemon_connections);
        let (imports, questions) = (link(), link());
        let (directory, lifetime) = (config.roots_directory.clone(), config.roots_lifetime);
        let kept = KeptByCache::open(directory, store.store_dir().clone(), lifetime);
        Some(Self {
            imports,
            questions,
            spool,
            decoder_memory: DecoderMemory::new(config.decoder_memory),
            uploads: Arc::new(Semaphore::new(MAX_CHECKED_NARS)),
            kept,
            room: Mutex::new(RoomRule::of(config)),
            disk: Mutex::default(),
            signatures_told: AtomicBool::new(false),
            store,
        })
    }

    /// Takes up all of a new configuration that is about more than one upload, except for its directories.
    pub(crate) fn reconfigure(&self, config: &ImportConfig) {
        self.decoder_memory.resize(config.decoder_memory);
        self.spool.limit(config.spool_size, config.spool_age);
        self.kept.keep_for(config.roots_lifetime);
        self.set_room(RoomRule::of(config));
    }

    /// The room that is kept on the disk of the store.
    pub(super) fn room(&self) -> RoomRule {
        *self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The room on the disk of the store at the last look, where a part of it is kept free.
    pub(crate) fn disk(&self) -> Option<DiskRoom> {
        *self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note_disk(&self, room: Option<DiskRoom>) {
        *self.disk.lock().unwrap_or_else(PoisonError::into_inner) = room;
    }

    fn set_room(&self, rule: RoomRule) {
        *self.room.lock().unwrap_or_else(PoisonError::into_inner) = rule;
    }

    /// Makes sure that a cache keeps a valid path for its whole time from now on. Whether it is valid.
    pub(super) async fn promise(
        &self,
        kept: &KeptPaths,
        path: &StorePath,
    ) -> Result<bool, CacheError> {
        let full = self.store.store_dir().print(path);
        let unavailable = |error| unavailable(path, &error);
        let mut held = self.questions.holding(&full).await.map_err(unavailable)?;
        // The row may be a second old, and the path may have been collected since.
        let is_valid = held.daemon().is_valid_path(&full).await.map_err(unavailable)?;
        if is_valid {
            kept.promise(path).await?;
        }
        held.keep();
        Ok(is_valid)
    }

    /// Makes a path valid, or adds signatures to a valid one.
    pub(super) async fn publish(
        &self,
        narinfo: &NarInfo,
        pusher: &Pusher,
        sight: &Sight<'_>,
    ) -> Result<Published, PublishError> {
        let path = &narinfo.store_path;
        let name = uploaded_nar(narinfo)?;
        let mut held = self.hold(path).await.map_err(|error| refused(path.as_str(), &error))?;
        let known = self.valid(&mut held, path).await?;
        if let Some(known) = known.as_ref().filter(|_| sight.is_shown) {
            return self.add_signatures(held, known, narinfo, (pusher, sight)).await;
        }
        // Who does not see a path shows with its NAR that it is known to them.
        let missing = || PublishError::MissingNar { url: narinfo.url.clone() };
        let nar = self.spool.get(&name).ok_or_else(missing)?;
        agree(narinfo, &nar)?;
        self.check_address(narinfo, &name, &nar).await?;
        self.hold_references(&mut held, narinfo, &sight.hidden).await?;
        if let Some(known) = known {
            return self.add_signatures(held, &known, narinfo, (pusher, sight)).await;
        }
        let contents = self.spool.contents(name, &self.decoder_memory).await?;
        let Some(mut contents) = contents else { return Err(missing()) };
        let added = held.daemon().add_to_store(&self.new_path(narinfo), &mut contents).await;
        match added {
            Ok(()) => {}
            Err(error) if is_of_spool(&error) => {
                tracing::warn!("the spooled {name} cannot be used and is removed: {error}");
                let spool = self.spool.clone();
                _ = spawn_blocking(move || spool.remove(&name)).await;
                return Err(missing());
            }
            Err(error) => return Err(refused(path.as_str(), &error)),
        }
        sight.kept.push(path, pusher).await?;
        self.spool.imported(&name);
        held.keep();
        tracing::info!("{} pushed {path} into the store", pusher.name);
        Ok(Published::New)
    }

    /// A valid path stays as it is; a narinfo adds signatures only.
    async fn add_signatures(
        &self,
        mut held: HoldingConnection<'_>,
        known: &PathInfo,
        narinfo: &NarInfo,
        (pusher, sight): (&Pusher, &Sight<'_>),
    ) -> Result<Published, PublishError> {
        let path = &known.path;
        if *path != narinfo.store_path {
            return Err(PublishError::Conflict { object: path.to_string() });
        }
        let is_same = known.nar_hash == narinfo.nar_hash
            && known.nar_size == narinfo.nar_size
            && known.references == narinfo.references;
        if !is_same {
            // A root would show the path to a pusher who does not know it.
            if sight.is_shown {
                sight.kept.push(path, pusher).await?;
            }
            held.keep();
            return Ok(Published::Kept);
        }
        sight.kept.push(path, pusher).await?;
        let new: Vec<String> =
            new_signatures(&known.signatures, narinfo)?.iter().map(ToString::to_string).collect();
        if new.is_empty() {
            held.keep();
            return Ok(Published::Unchanged);
        }
        let full = self.store.store_dir().print(path);
        match held.daemon().add_signatures(&full, &new).await {
            Ok(()) => {
                held.keep();
                Ok(Published::SignaturesAdded)
            }
            Err(DaemonError::Refused(why)) => {
                if !self.signatures_told.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "the Nix daemon adds no signatures to valid paths: {why}; they are dropped unless the user \
                         of this server is in its trusted-users (said once)"
                    );
                }
                Ok(Published::Unchanged)
            }
            Err(error) => Err(refused(path.as_str(), &error)),
        }
    }

    /// Removes expired links, for as long as it is polled.
    pub async fn keep_house(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(HOUSEKEEPING_INTERVAL);
        loop {
            ticks.tick().await;
            self.imports.close_old();
            self.questions.close_old();
            let spool = self.spool.clone();
            match spawn_blocking(move || spool.sweep(SystemTime::now())).await {
                Ok(0) => {}
                Ok(count) => tracing::info!("removed {count} NARs without narinfos"),
                Err(_) => return,
            }
            for kept in self.kept.all() {
                kept.expire().await;
            }
        }
    }

    /// The record of a path that is held, if it is valid.
    async fn valid(
        &self,
        held: &mut HoldingConnection<'_>,
        path: &StorePath,
    ) -> Result<Option<Arc<PathInfo>>, PublishError> {
        let full = self.store.store_dir().print(path);
        // The row may be a second old, and the path may have been collected before it was held.
        let is_valid = held.daemon().is_valid_path(&full).await;
        if !is_valid.map_err(|error| refused(path.as_str(), &error))? {
            return Ok(None);
        }
        Ok(self.store.path_info(path.hash_part()).await?)
    }

    pub(super) async fn hold(
        &self,
        path: &StorePath,
    ) -> Result<HoldingConnection<'_>, DaemonError> {
        self.imports.holding(&self.store.store_dir().print(path)).await
    }

    /// Holds the references of a path, and looks whether they are there. Those that are hidden from the pusher count as
    /// missing, and the daemon is not asked: a root holds, and may show, the closure of its path.
    async fn hold_references(
        &self,
        held: &mut HoldingConnection<'_>,
        narinfo: &NarInfo,
        hidden: &[StorePath],
    ) -> Result<(), PublishError> {
        let (store_dir, daemon) = (self.store.store_dir(), held.daemon());
        let mut missing = Vec::new();
        let others = narinfo.references.iter().filter(|path| **path != narinfo.store_path);
        for reference in others {
            if hidden.contains(reference) {
                missing.push(reference.clone());
                continue;
            }
            let full = store_dir.print(reference);
            let refused = |error| refused(reference.as_str(), &error);
            daemon.add_temp_root(&full).await.map_err(refused)?;
            if !daemon.is_valid_path(&full).await.map_err(refused)? {
                missing.push(reference.clone());
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(PublishError::MissingReferences(missing)) }
    }

    /// A false content address would need no signature.
    async fn check_address(
        &self,
        narinfo: &NarInfo,
        name: &NarName,
        nar: &VerifiedNar,
    ) -> Result<(), PublishError> {
        let Some(claim) = AddressClaim::of(narinfo, self.store.store_dir(), nar)? else {
            return Ok(());
        };
        match self.spool.hash(*name, claim.wanted, &self.decoder_memory).await? {
            Some(found) => claim.settle(found),
            None => Err(PublishError::MissingNar { url: narinfo.url.clone() }),
        }
    }

    fn new_path(&self, narinfo: &NarInfo) -> PathToAdd {
        let print = |path: &StorePath| self.store.store_dir().print(path);
        PathToAdd {
            path: print(&narinfo.store_path),
            deriver: narinfo.deriver.as_ref().map(print).unwrap_or_default(),
            nar_hash: narinfo.nar_hash.to_hex(),
            nar_size: narinfo.nar_size,
            references: narinfo.references.iter().map(print).collect(),
            signatures: narinfo.signatures.iter().map(ToString::to_string).collect(),
            content_address: narinfo.ca.as_ref().map(ToString::to_string).unwrap_or_default(),
        }
    }
}

/// Whether a spooled file differs from the one that was checked when it came, as after a power loss.
fn is_of_spool(error: &DaemonError) -> bool {
    match error {
        DaemonError::Source(_) => true,
        DaemonError::Refused(why) => why.contains("mismatch importing path"),
        _ => false,
    }
}

pub(super) fn unavailable(path: &StorePath, error: &DaemonError) -> CacheError {
    CacheError::Unavailable {
        what: format!("the Nix daemon does not hold {path}: {error}"),
        remedy: match error {
            DaemonError::Unreachable(source) => way_to_daemon(source),
            _ => "see the log of the Nix daemon",
        },
    }
}

//! The local Nix store, read only.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use rns_cache::BlobBody;
use rns_formats::{HashPart, Sha256Digest, StoreDir};
use tokio::task::spawn_blocking;

use crate::{
    CacheError, StoreConfig, Verify,
    daemon::{DaemonConfig, HeldRoot, TempRoots},
    db::{Database, PathRow},
    file_io::{file_time::FileTime, nonblocking_io::NonblockingIo},
    nar::{
        self, BUFFER_BYTES, Buffer, HashCheck, LayoutKey, Layouts, Nar, NarSource, NarStream,
        OpenReader, RangeReader, Tree,
    },
    store::{
        index::LazyIndex, path_health::PathHealth, path_memory::PathMemory,
        store_presence::StorePresence,
    },
};

/// A Nix store on this machine, all of it. Clones share everything.
#[derive(Clone)]
pub struct LocalStore {
    shared: Arc<StoreParts>,
}

pub(crate) struct StoreParts {
    pub(crate) config: StoreConfig,
    pub(crate) database: Database,
    pub(crate) layouts: Layouts,
    pub(crate) memory: PathMemory,
    pub(crate) presence: Arc<StorePresence>,
    pub(crate) health: Arc<PathHealth>,
    pub(crate) roots: TempRoots,
    pub(crate) nar_hashes: LazyIndex,
    pub(crate) debug_files: LazyIndex,
    /// Whether files of store paths can be read without waiting.
    nonblocking_io: Arc<NonblockingIo>,
}

impl LocalStore {
    /// A handle to the store. Nothing is opened yet: a store that cannot be read is an error of each
    /// question, so that it is served as soon as it can be.
    #[must_use]
    pub fn open(config: StoreConfig) -> Self {
        let roots = match &config.daemon_socket {
            Some(socket) => TempRoots::new(DaemonConfig {
                connections: config.daemon_connections,
                deadline: config.temp_root_wait,
                ..DaemonConfig::new(socket)
            }),
            None => TempRoots::disabled(),
        };
        let database = Database::new(
            config.database.clone(),
            config.readers,
            config.busy_timeout,
            config.absent,
        );
        let presence = Arc::new(StorePresence::new(
            database.clone(),
            config.store_dir.clone(),
            config.real_dir.clone(),
        ));
        let health = Arc::new(PathHealth::new(Arc::clone(&presence)));
        let shared = Arc::new(StoreParts {
            database,
            layouts: Layouts::new(config.layout_cache_bytes),
            memory: PathMemory::new(
                &presence,
                &health,
                config.layout_cache_bytes,
                config.index_entries,
            ),
            health,
            presence,
            roots,
            nar_hashes: LazyIndex::new("NAR hashes", config.index_entries),
            debug_files: LazyIndex::new("debug information", config.index_entries),
            nonblocking_io: Arc::default(),
            config,
        });
        Self { shared }
    }

    /// The logical store directory.
    #[must_use]
    pub fn store_dir(&self) -> &StoreDir {
        &self.shared.config.store_dir
    }

    pub(crate) const fn shared(&self) -> &Arc<StoreParts> {
        &self.shared
    }

    /// Whether the store can be read now, and is the one that was configured.
    ///
    /// # Errors
    /// `Unavailable`, with the reason and the remedy.
    pub async fn readable(&self) -> Result<(), CacheError> {
        let presence = Arc::clone(&self.shared.presence);
        spawn_blocking(move || presence.look()).await.map_err(|_| CacheError::ShuttingDown)?
    }

    /// The same for a program that has no event loop.
    ///
    /// # Errors
    /// As [`Self::readable`].
    pub fn readable_blocking(&self) -> Result<(), CacheError> {
        self.shared.presence.look()
    }

    /// The NAR of the path with this hash part; with `expected`, only if that is its hash: a path that
    /// was built anew since the client asked is another NAR.
    ///
    /// # Errors
    /// As [`Self::path_info`].
    pub async fn nar(
        &self,
        hash: HashPart,
        expected: Option<Sha256Digest>,
    ) -> Result<Option<Nar>, CacheError> {
        match self.known_row(hash).await? {
            Some(known) if expected.is_none_or(|expected| expected == known.row.info.nar_hash) => {
                self.open_nar(&known.row).await
            }
            _ => Ok(None),
        }
    }

    /// The bytes of `range`, which lies within the NAR. `None` when the path was collected meanwhile.
    ///
    /// # Errors
    /// As [`Self::path_info`]; errors while reading come with the chunks.
    pub async fn read_nar(
        &self,
        nar: &Nar,
        range: Range<u64>,
    ) -> Result<Option<BlobBody>, CacheError> {
        let small = range.end.saturating_sub(range.start) <= BUFFER_BYTES as u64;
        if small {
            // Read before the first byte is sent, so there is nothing to keep alive.
            let mut buffer = Buffer::take();
            let mut begun = self.shared.reader_now(nar, &range);
            if let Some(reader) = &mut begun {
                buffer.fill_now(|room| reader.fill_now(room));
                if reader.is_at_end() {
                    return Ok(Some(BlobBody::Whole(buffer.into_bytes())));
                }
            }
            let shared = Arc::clone(&self.shared);
            let nar = nar.clone();
            let read = move || {
                let reader = begun.map_or_else(|| shared.reader(&nar, &range), Ok)?;
                nar::read_whole(reader, buffer)
            };
            let bytes = spawn_blocking(read).await.map_err(|_| CacheError::ShuttingDown)?;
            return present(bytes.map(BlobBody::Whole));
        }
        let Some(root) = self.hold(nar).await? else { return Ok(None) };
        let stream = NarStream::begin(
            Arc::clone(&self.shared) as Arc<dyn OpenReader>,
            nar.clone(),
            range,
            root,
        )
        .await;
        present(stream.map(|stream| BlobBody::Stream(Box::new(stream))))
    }

    /// All of a NAR, in memory: read, and where asked for checked, before anything of it is used.
    pub(crate) async fn read_whole_nar(&self, nar: &Nar) -> Result<Option<Bytes>, CacheError> {
        if !self.is_there(nar).await? {
            return Ok(None);
        }
        let (shared, nar) = (Arc::clone(&self.shared), nar.clone());
        let read = move || {
            let mut bytes = vec![0; usize::try_from(nar.size()).unwrap_or(usize::MAX)];
            let mut reader = shared.reader(&nar, &(0..nar.size()))?;
            reader.fill(&mut bytes)?;
            Ok(bytes.into())
        };
        present(spawn_blocking(read).await.map_err(|_| CacheError::ShuttingDown)?)
    }

    /// Whether a path is still registered as it was.
    pub(crate) async fn is_there(&self, nar: &Nar) -> Result<bool, CacheError> {
        let known = self.any_row(nar.info.path.hash_part()).await?;
        Ok(known.is_some_and(|known| known.row.id == nar.row))
    }

    /// Holds a path while it is read. `None` when it is not there any more.
    pub(crate) async fn hold(&self, nar: &Nar) -> Result<Option<HeldRoot>, CacheError> {
        // First the root, then the question whether the path is still there: the other way round, it
        // could be collected between the two.
        let root = self.shared.roots.hold(&self.shared.config.store_dir, &nar.info.path).await;
        Ok(self.is_there(nar).await?.then_some(root))
    }

    /// The layout that belongs to a row, from memory or from the files.
    pub(crate) async fn open_nar(&self, row: &PathRow) -> Result<Option<Nar>, CacheError> {
        let key = LayoutKey { hash: row.info.path.hash_part(), row: row.id };
        let mut info = Arc::clone(&row.info);
        let shared = Arc::clone(&self.shared);
        let described = Arc::clone(&info);
        let read = async move {
            let started = FileTime::now();
            let layout = move || {
                nar::read_layout(&shared.config.real_dir, &described)
                    .map_err(|error| shared.health.judge(key, started, error))
            };
            spawn_blocking(layout).await.map_err(|_| CacheError::ShuttingDown)?
        };
        match self.shared.layouts.get_or(&key, read).await {
            Ok(layout) => {
                if info.nar_size == 0 {
                    Arc::make_mut(&mut info).nar_size = layout.nar_size();
                }
                Ok(Some(Nar { row: row.id, info, layout }))
            }
            Err(error) => {
                self.shared.layouts.remove(&key);
                present(Err(error))
            }
        }
    }

    /// Whether the path with this hash part was found damaged, or the whole store not there, so that nothing that was known
    /// before counts until it is looked up again. Never waits.
    #[must_use]
    pub fn is_suspect(&self, hash: &HashPart) -> bool {
        self.shared.memory.is_suspect(hash)
    }

    /// The number of the state that the database is in now; 0 when that cannot be known. An answer from a row is still true
    /// while the number is the one that was read before the row.
    #[must_use]
    pub(crate) fn generation(&self) -> u64 {
        self.shared.database.generation()
    }
}

impl OpenReader for StoreParts {
    fn reader(&self, nar: &Nar, range: &Range<u64>) -> Result<RangeReader, CacheError> {
        let started = FileTime::now();
        let tree = Tree::open(&self.config.real_dir, &nar.info.path).map_err(|error| {
            self.health.judge(nar.key(), started, nar::of_path(&nar.info.path, error))
        })?;
        Ok(RangeReader::new(self.source(nar, tree), range, self.check(nar, range)))
    }

    fn reader_now(&self, nar: &Nar, range: &Range<u64>) -> Option<RangeReader> {
        let check = self.check(nar, range);
        if matches!(check, HashCheck::Wanted(_)) {
            return None;
        }
        let tree = Tree::open_now(&self.config.real_dir, &nar.info.path, &self.nonblocking_io)?;
        Some(RangeReader::new(self.source(nar, tree), range, check))
    }
}

impl StoreParts {
    fn check(&self, nar: &Nar, range: &Range<u64>) -> HashCheck {
        let expected = nar.info.nar_hash;
        if !nar::is_whole(range, &nar.layout) {
            return HashCheck::Unwanted;
        }
        match self.config.verify {
            Verify::Never => HashCheck::Unwanted,
            Verify::Always => HashCheck::Wanted(expected),
            Verify::Once => match self.health.verified_at(&nar.key()) {
                Some(verified) => HashCheck::UnlessChangedSince(verified, expected),
                None => HashCheck::Wanted(expected),
            },
        }
    }

    fn source(&self, nar: &Nar, tree: Tree) -> NarSource {
        NarSource {
            layout: Arc::clone(&nar.layout),
            tree,
            key: nar.key(),
            health: Arc::clone(&self.health),
            nonblocking_io: Arc::clone(&self.nonblocking_io),
        }
    }
}

/// A path that is damaged, or was removed meanwhile, is as good as none for a client; any other error stays one.
fn present<T>(result: Result<T, CacheError>) -> Result<Option<T>, CacheError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(CacheError::Damaged { .. } | CacheError::Gone { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

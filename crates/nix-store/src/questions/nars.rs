//! Opens the NAR of a row, and reads from it.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use rns_cache::BlobBody;
use tokio::task::spawn_blocking;

use super::{nar_files::NarFiles, rows::PathRows};
use crate::{
    CacheError,
    daemon::HeldRoot,
    db::PathRow,
    file_io::file_time::FileTime,
    nar::{self, BUFFER_BYTES, Buffer, LayoutKey, Nar, NarStream, OpenReader},
    store::StoreParts,
};

/// The NARs of paths. Clones share everything.
#[derive(Clone)]
pub(crate) struct Nars {
    parts: Arc<StoreParts>,
    rows: PathRows,
    files: Arc<NarFiles>,
}

impl Nars {
    pub(crate) fn new(parts: &Arc<StoreParts>, rows: &PathRows) -> Self {
        Self {
            parts: Arc::clone(parts),
            rows: rows.clone(),
            files: Arc::new(NarFiles::new(Arc::clone(parts))),
        }
    }

    /// The NAR of a row: its layout comes from memory or from the files. `None` when these are damaged or gone.
    ///
    /// # Errors
    /// `Io` when the files cannot be read.
    pub(crate) async fn open(&self, row: &PathRow) -> Result<Option<Nar>, CacheError> {
        let key = LayoutKey { hash: row.info.path.hash_part(), row: row.id };
        let mut info = Arc::clone(&row.info);
        let parts = Arc::clone(&self.parts);
        let described = Arc::clone(&info);
        let read = async move {
            let started = FileTime::now();
            let layout = move || {
                nar::read_layout(&parts.config.real_dir, &described)
                    .map_err(|error| parts.health.judge(key, started, error))
            };
            spawn_blocking(layout).await.map_err(|_| CacheError::ShuttingDown)?
        };
        match self.parts.layouts.get_or(&key, read).await {
            Ok(layout) => {
                if info.nar_size == 0 {
                    Arc::make_mut(&mut info).nar_size = layout.nar_size();
                }
                Ok(Some(Nar { row: row.id, info, layout }))
            }
            Err(error) => {
                self.parts.layouts.remove(&key);
                present(Err(error))
            }
        }
    }

    /// The bytes of `range`, which lies within the NAR. `None` when the path was collected meanwhile.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read; errors while reading come with the chunks.
    pub(crate) async fn read(
        &self,
        nar: &Nar,
        range: Range<u64>,
    ) -> Result<Option<BlobBody>, CacheError> {
        let small = range.end.saturating_sub(range.start) <= BUFFER_BYTES as u64;
        if small {
            // Read before the first byte is sent, so there is nothing to keep alive.
            let mut buffer = Buffer::take();
            let mut begun = self.files.reader_now(nar, &range);
            if let Some(reader) = &mut begun {
                buffer.fill_now(|room| reader.fill_now(room));
                if reader.is_at_end() {
                    return Ok(Some(BlobBody::Whole(buffer.into_bytes())));
                }
            }
            let files = Arc::clone(&self.files);
            let nar = nar.clone();
            let read = move || {
                let reader = begun.map_or_else(|| files.reader(&nar, &range), Ok)?;
                nar::read_whole(reader, buffer)
            };
            let bytes = spawn_blocking(read).await.map_err(|_| CacheError::ShuttingDown)?;
            return present(bytes.map(BlobBody::Whole));
        }
        let Some(root) = self.hold(nar).await? else { return Ok(None) };
        let files = Arc::clone(&self.files) as Arc<dyn OpenReader>;
        let stream = NarStream::begin(files, nar.clone(), range, root).await;
        present(stream.map(|stream| BlobBody::Stream(Box::new(stream))))
    }

    /// All of a NAR, in memory: read, and where that is configured checked, before anything of it is used.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) async fn read_whole(&self, nar: &Nar) -> Result<Option<Bytes>, CacheError> {
        if !self.is_there(nar).await? {
            return Ok(None);
        }
        let (files, nar) = (Arc::clone(&self.files), nar.clone());
        let read = move || {
            let mut bytes = vec![0; usize::try_from(nar.size()).unwrap_or(usize::MAX)];
            let mut reader = files.reader(&nar, &(0..nar.size()))?;
            reader.fill(&mut bytes)?;
            Ok(bytes.into())
        };
        present(spawn_blocking(read).await.map_err(|_| CacheError::ShuttingDown)?)
    }

    /// Whether a path is still registered as it was.
    async fn is_there(&self, nar: &Nar) -> Result<bool, CacheError> {
        let known = self.rows.get_of_present_store(nar.info.path.hash_part()).await?;
        Ok(known.is_some_and(|known| known.row.id == nar.row))
    }

    /// Holds a path while it is read. `None` when it is not there any more.
    async fn hold(&self, nar: &Nar) -> Result<Option<HeldRoot>, CacheError> {
        // First the root, then the question whether the path is still there: the other way round, it
        // could be collected between the two.
        let root = self.parts.roots.hold(self.parts.store_dir(), &nar.info.path).await;
        Ok(self.is_there(nar).await?.then_some(root))
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

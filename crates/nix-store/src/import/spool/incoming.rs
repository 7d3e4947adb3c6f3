//! A file of the spool that is being written.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::PathBuf,
    sync::Arc,
    time::SystemTime,
};

use bytes::Bytes;
use rns_cache::VerifiedNar;
use rns_formats::NarName;
use tokio::{
    sync::mpsc::{Sender, channel},
    task::{JoinHandle, spawn_blocking},
};

use super::files::{SpoolFiles, Spooled};

/// Chunks on their way to the file.
const MAX_SPOOL_CHUNKS: usize = 8;

/// Why a NAR cannot be spooled.
#[derive(Debug, thiserror::Error)]
pub(in crate::import) enum NotSpooled {
    /// More waits already than may.
    #[error("more NARs wait for their narinfos than upload.spool_size lets")]
    TooMuch,
    /// The file cannot be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A NAR on its way into the spool. Dropped before [`Self::finish`], it leaves nothing.
pub(in crate::import) struct SpoolWriter {
    chunks: Sender<Bytes>,
    writing: JoinHandle<Result<UnfinishedFile, NotSpooled>>,
}

/// A file without its name yet; gone when it is dropped.
struct UnfinishedFile {
    shared: Arc<SpoolFiles>,
    path: PathBuf,
    file: File,
    reserved: u64,
    written: u64,
    is_renamed: bool,
}

impl SpoolWriter {
    pub(super) async fn begin(
        shared: Arc<SpoolFiles>,
        length: Option<u64>,
    ) -> Result<Self, NotSpooled> {
        let begun = spawn_blocking(move || UnfinishedFile::create(shared, length.unwrap_or(0)));
        let mut file = begun.await.map_err(io::Error::other)??;
        let (chunks, mut arriving) = channel::<Bytes>(MAX_SPOOL_CHUNKS);
        let writing = spawn_blocking(move || {
            while let Some(chunk) = arriving.blocking_recv() {
                file.append(&chunk)?;
            }
            Ok(file)
        });
        Ok(Self { chunks, writing })
    }

    /// Writes the next bytes; waits while the disk is behind.
    ///
    /// # Errors
    /// When there is no more room, or they cannot be written.
    pub(in crate::import) async fn write(&mut self, chunk: Bytes) -> Result<(), NotSpooled> {
        if self.chunks.send(chunk).await.is_ok() {
            return Ok(());
        }
        match (&mut self.writing).await {
            Ok(Ok(_)) => Err(io::Error::other("the file was closed early").into()),
            Ok(Err(error)) => Err(error),
            Err(error) => Err(io::Error::other(error).into()),
        }
    }

    /// Gives the file its name: from now on it waits for its narinfo.
    ///
    /// # Errors
    /// When it cannot be written to its end.
    pub(in crate::import) async fn finish(
        self,
        name: NarName,
        nar: VerifiedNar,
    ) -> Result<(), NotSpooled> {
        let Self { chunks, writing } = self;
        drop(chunks);
        let file = writing.await.map_err(io::Error::other)??;
        let kept = spawn_blocking(move || file.keep(&name, nar));
        Ok(kept.await.map_err(io::Error::other)??)
    }
}

impl UnfinishedFile {
    fn create(shared: Arc<SpoolFiles>, bytes: u64) -> Result<Self, NotSpooled> {
        if !shared.reserve(bytes) {
            return Err(NotSpooled::TooMuch);
        }
        let path = shared.fresh_path();
        match File::create_new(&path) {
            Ok(file) => {
                Ok(Self { shared, path, file, reserved: bytes, written: 0, is_renamed: false })
            }
            Err(error) => {
                shared.files().reserved -= bytes;
                Err(error.into())
            }
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), NotSpooled> {
        self.written += bytes.len() as u64;
        let more = self.written.saturating_sub(self.reserved);
        if more > 0 {
            if !self.shared.reserve(more) {
                return Err(NotSpooled::TooMuch);
            }
            self.reserved += more;
        }
        Ok(self.file.write_all(bytes)?)
    }

    fn keep(mut self, name: &NarName, nar: VerifiedNar) -> io::Result<()> {
        let now = SystemTime::now();
        // Under the lock, since the same NAR may be taken out at this moment.
        let mut files = self.shared.files();
        fs::rename(&self.path, self.shared.path(name, &nar))?;
        self.is_renamed = true;
        files.bytes += nar.file_size;
        let spooled = Spooled { nar, used: now, touched: now, is_imported: false };
        if let Some(before) = files.by_name.insert(*name, spooled) {
            files.bytes -= before.nar.file_size;
        }
        Ok(())
    }
}

impl Drop for UnfinishedFile {
    fn drop(&mut self) {
        self.shared.files().reserved -= self.reserved;
        if !self.is_renamed {
            _ = fs::remove_file(&self.path);
        }
    }
}

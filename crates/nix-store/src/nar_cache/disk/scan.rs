//! The files of an earlier run.

use std::{
    fs::{self, DirEntry, File, Metadata},
    os::unix::fs::MetadataExt as _,
    sync::Arc,
};

use rustix::fs::{FlockOperation, flock};

use super::{Disk, DiskEntry, FileCheck};
use crate::nar_cache::file_name::{self, TEMPORARY};

impl Disk {
    /// Reads the directory: finished files are entered, temporary ones whose writer is gone are removed. Blocks.
    pub(in crate::nar_cache) fn scan(&self) {
        if let Err(error) = fs::create_dir_all(&self.directory) {
            tracing::warn!(
                "the NAR cache {} cannot be made: {error}; NARs are compressed anew for each download",
                self.directory.display()
            );
            return;
        }
        for found in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let name = found.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with(TEMPORARY) {
                remove_stale(&found);
            } else if let Some((tag, file)) = file_name::parse(name) {
                let used = found.metadata().map_or(0, |metadata| nanos(&metadata));
                self.enter(
                    tag,
                    DiskEntry { file, used, touched: used, check: Arc::new(FileCheck::pending()) },
                );
            }
        }
        self.make_room();
    }
}

fn nanos(metadata: &Metadata) -> u64 {
    let seconds = metadata.atime().max(0).cast_unsigned();
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(metadata.atime_nsec().max(0).cast_unsigned())
}

/// The lock of a temporary file ends with the process that writes it.
fn remove_stale(found: &DirEntry) {
    let Ok(file) = File::open(found.path()) else { return };
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
        _ = fs::remove_file(found.path());
    }
}

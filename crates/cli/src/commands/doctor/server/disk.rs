//! Space on the disks that the server writes to.

use std::path::{Path, PathBuf};

use rns_cache::HumanBytes;
use rns_doctor::{Finding, FindingId, Outcome};
use rns_storage::objects::StorageUrl;

use crate::config::{IndexConfig, Loaded};

/// The part of a disk that should be free, one of so many.
const FREE_PART: u64 = 100;

/// The space that should be free, in bytes.
const FREE_BYTES: u64 = 64 << 20;

pub(super) async fn check(loaded: &Loaded) -> Outcome {
    let mut directories: Vec<PathBuf> = Vec::new();
    if let Some(nars) = &loaded.store.nar_cache {
        directories.push(nars.directory.clone());
    }
    if let Some(storage) = &loaded.backends.storage {
        if let StorageUrl::Directory(directory) = &storage.url {
            directories.push(directory.clone());
        }
        if let IndexConfig::Sqlite(file) = &storage.index {
            directories.extend(file.parent().map(Path::to_owned));
        }
    }
    if directories.is_empty() {
        return Outcome::NotApplicable;
    }
    let findings = directories.iter().filter_map(|directory| full(directory)).collect();
    Outcome::of(findings, "there is space on the disks that are written to")
}

fn full(directory: &Path) -> Option<Finding> {
    // One that is not there yet will be on the disk of the directory above it.
    let there = directory.ancestors().find(|above| above.exists())?;
    let disk = rustix::fs::statvfs(there).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    let (free, all) = (bytes(disk.f_bavail), bytes(disk.f_blocks));
    if free >= FREE_BYTES.min(all / 4) && free >= all / FREE_PART && disk.f_favail != 0 || all == 0
    {
        return None;
    }
    let name = directory.display();
    Some(Finding::new(
        FindingId::DiskFull,
        format!("{} of {} are free on the disk of {name}", HumanBytes(free), HumanBytes(all)),
        format!(
            "du -axh {name} | sort -h | tail   # then remove unneeded files, or enlarge the disk"
        ),
    ))
}

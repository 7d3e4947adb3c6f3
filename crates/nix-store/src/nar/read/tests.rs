//! Ranges that are read in steps, at once and from the disk.

use std::{
    fs::{self, File},
    time::Duration,
};

use rns_formats::{StoreDir, StorePath};
use rustix::fs::Advice;

use super::{super::walk, *};
use crate::{AbsentStore, db::Database, store::store_presence::StorePresence};

/// Reads everything in small steps, of which each `waiting`th may wait.
fn read(source: NarSource, range: &Range<u64>, step: usize, waiting: usize) -> Vec<u8> {
    let mut reader = RangeReader::new(source, range, HashCheck::Unwanted);
    let (mut bytes, mut room) = (Vec::new(), vec![0; step]);
    for turn in 0.. {
        if reader.is_at_end() {
            break;
        }
        let now = if turn % waiting == waiting - 1 { 0 } else { reader.fill_now(&mut room) };
        let filled = if now == 0 { reader.fill(&mut room).unwrap() } else { now };
        bytes.extend_from_slice(&room[..filled]);
    }
    bytes
}

#[test]
fn every_reader_gets_the_same_bytes() {
    let store = tempfile::tempdir().unwrap();
    let path = StorePath::parse("00000000000000000000000000000000-x").unwrap();
    let root = store.path().join(path.as_str());
    fs::create_dir_all(root.join("deep/er")).unwrap();
    fs::write(root.join("a"), vec![b'a'; 900_000]).unwrap();
    fs::write(root.join("deep/er/b"), "b".repeat(33)).unwrap();
    fs::write(root.join("deep/empty"), "").unwrap();
    // Where the file system can do that, the rest of the file is not in memory.
    let forget = || {
        let file = File::open(root.join("a")).unwrap();
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 400_000, None, Advice::DontNeed).unwrap();
    };
    let source = |nonblocking_io: NonblockingIo| {
        let tree = Tree::open(store.path(), &path).unwrap();
        NarSource {
            layout: Arc::new(walk::layout(&tree).unwrap()),
            tree,
            key: LayoutKey { hash: path.hash_part(), row: 1 },
            health: Arc::new(PathHealth::new(Arc::new(StorePresence::new(
                Database::new(
                    store.path().join("none"),
                    1,
                    Duration::ZERO,
                    AbsentStore::Unavailable,
                ),
                StoreDir::default(),
                store.path().to_owned(),
            )))),
            nonblocking_io: Arc::new(nonblocking_io),
        }
    };
    let size = source(NonblockingIo::default()).layout.nar_size();
    let whole = read(source(NonblockingIo::default()), &(0..size), 1 << 20, 1);
    assert_eq!(whole.len() as u64, size);
    for nonblocking_io in [NonblockingIo::default, NonblockingIo::refused] {
        for (step, waiting) in [(1 << 20, usize::MAX), (6000, 3), (5000, usize::MAX)] {
            forget();
            assert!(read(source(nonblocking_io()), &(0..size), step, waiting) == whole, "{step}");
            forget();
            let part = read(source(nonblocking_io()), &(100..size - 50), step, waiting);
            assert!(part[..] == whole[100..whole.len() - 50], "{step}");
        }
    }
}

//! Opens the files of a path for reading a range of its NAR, and decides whether its hash is checked.

use std::{ops::Range, sync::Arc};

use crate::{
    CacheError, Verify,
    file_io::file_time::FileTime,
    nar::{self, HashCheck, Nar, NarSource, OpenReader, RangeReader, Tree},
    store::StoreParts,
};

/// The files of the store.
pub(super) struct NarFiles(Arc<StoreParts>);

impl NarFiles {
    pub(super) const fn new(parts: Arc<StoreParts>) -> Self {
        Self(parts)
    }

    fn check(&self, nar: &Nar, range: &Range<u64>) -> HashCheck {
        let expected = nar.info.nar_hash;
        if !nar::is_whole(range, &nar.layout) {
            return HashCheck::Unwanted;
        }
        match self.0.config.verify {
            Verify::Never => HashCheck::Unwanted,
            Verify::Always => HashCheck::Wanted(expected),
            Verify::Once => match self.0.health.verified_at(&nar.key()) {
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
            health: Arc::clone(&self.0.health),
            nonblocking_io: Arc::clone(&self.0.nonblocking_io),
        }
    }
}

impl OpenReader for NarFiles {
    fn reader(&self, nar: &Nar, range: &Range<u64>) -> Result<RangeReader, CacheError> {
        let started = FileTime::now();
        let tree = Tree::open(&self.0.config.real_dir, &nar.info.path).map_err(|error| {
            self.0.health.judge(nar.key(), started, nar::of_path(&nar.info.path, error))
        })?;
        Ok(RangeReader::new(self.source(nar, tree), range, self.check(nar, range)))
    }

    fn reader_now(&self, nar: &Nar, range: &Range<u64>) -> Option<RangeReader> {
        let check = self.check(nar, range);
        if matches!(check, HashCheck::Wanted(_)) {
            return None;
        }
        let tree = Tree::open_now(&self.0.config.real_dir, &nar.info.path, &self.0.nonblocking_io)?;
        Some(RangeReader::new(self.source(nar, tree), range, check))
    }
}

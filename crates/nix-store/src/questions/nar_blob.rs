//! NARs as a binary cache hands them out.

use std::{borrow::Cow, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use rns_cache::{Blob, BlobBody, NarAnswer};

use super::nars::Nars;
use crate::{CacheError, Nar};

/// A NAR that is read straight from the files of its path.
struct NarBlob {
    nars: Nars,
    nar: Nar,
}

/// The answer with this NAR.
pub(crate) fn nar_answer(nars: &Nars, nar: Nar) -> NarAnswer {
    NarAnswer::Finished(Arc::new(NarBlob { nars: nars.clone(), nar }))
}

#[async_trait]
impl Blob for NarBlob {
    fn len(&self) -> u64 {
        self.nar.size()
    }

    fn etag(&self) -> Cow<'_, str> {
        Cow::Owned(self.nar.info().nar_hash.to_nix32())
    }

    async fn read(&self, range: Range<u64>) -> Result<Option<BlobBody>, CacheError> {
        self.nars.read(&self.nar, range).await
    }

    async fn read_whole(&self) -> Result<Option<Bytes>, CacheError> {
        self.nars.read_whole(&self.nar).await
    }
}

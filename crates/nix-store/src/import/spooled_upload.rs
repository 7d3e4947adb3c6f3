//! A NAR on its way into the spool.

use async_trait::async_trait;
use bytes::Bytes;
use rns_cache::{NarUpload, PublishError, VerifiedNar};
use rns_formats::NarName;
use rns_verify::IncomingNar;
use tokio::sync::OwnedSemaphorePermit;

use super::spool::{Spool, SpoolWriter};

/// A NAR that is checked while it is spooled.
pub(super) struct SpooledUpload {
    pub(super) nar: IncomingNar,
    pub(super) file: SpoolWriter,
    pub(super) spool: Spool,
    pub(super) name: NarName,
    /// Held to the end of the upload.
    pub(super) place: OwnedSemaphorePermit,
}

#[async_trait]
impl NarUpload for SpooledUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), PublishError> {
        self.nar.take(chunk.clone()).await?;
        self.file.write(chunk).await.map_err(|error| self.spool.refused(error))
    }

    async fn finish(self: Box<Self>) -> Result<VerifiedNar, PublishError> {
        let Self { nar, file, spool, name, place } = *self;
        let nar = nar.finish().await?;
        file.finish(name, nar).await.map_err(|error| spool.refused(error))?;
        drop(place);
        Ok(nar)
    }
}

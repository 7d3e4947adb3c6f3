//! Large NARs whose compression begins when their narinfo is asked for: who asks for that will often ask for the NAR next,
//! and some clients do not take a narinfo without the length of the download.

use std::time::Duration;

use rns_formats::PathInfo;
use tokio::time::timeout;

use super::{
    compressed::CompressedCache, config::Codec, encode_job, encode_progress::EncodeProgress,
    file_name::CompressedFile, recipe::Recipe,
};
use crate::CacheError;

/// How long the NAR itself may take to be asked for, before its compression is dropped.
const EARLY_GRACE: Duration = Duration::from_secs(10);

/// How long the narinfo waits for the end of it.
const EARLY_TIMEOUT: Duration = Duration::from_millis(250);

impl CompressedCache {
    /// Begins to compress a NAR, as one of few, if it drives nothing else out of the cache. The result, when that is there in a
    /// moment.
    pub(super) async fn begin_early(
        &self,
        info: &PathInfo,
        recipe: Recipe,
        codec: Codec,
    ) -> Result<Option<CompressedFile>, CacheError> {
        let cache = &self.cache;
        if cache.is_busy() || cache.is_paused() || !cache.has_room(info.nar_size) {
            return Ok(None);
        }
        let Some(slot) = cache.limits(codec).early() else { return Ok(None) };
        let nar = self.plain_nar(info.path.hash_part(), info.nar_hash).await?;
        let Some(nar) = nar else { return Ok(None) };
        let tag = recipe.tag(&info.nar_hash).into();
        let mut reader =
            encode_job::join_as(cache, &nar, recipe, &tag, EncodeProgress::early_reader);
        let mut work = tokio::spawn(async move {
            let end = timeout(EARLY_GRACE, reader.end()).await;
            drop(slot);
            end.ok()?.ok().map(|finished| *finished.file())
        });
        Ok(timeout(EARLY_TIMEOUT, &mut work).await.ok().and_then(Result::ok).flatten())
    }
}

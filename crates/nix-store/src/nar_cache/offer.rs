//! How the NAR of a path is offered: compressed or as it is, and with length and hash of the file where these are known.

use std::time::Duration;

use rns_cache::{NarOffer, PathRecord};
use rns_formats::{NarName, PathInfo, Sha256Digest};
use tokio::time::timeout;

use super::{
    compressed::{AWAITED, COMPLETE, Compressed, CompressedCache},
    config::Codec,
    file_name::CompressedFile,
    worth,
};

/// How long a record waits for length and hash of the compressed NAR.
const FILE_TIMEOUT: Duration = Duration::from_secs(1);

/// A NAR is better sent as it is.
struct NotWorthPacking;

impl CompressedCache {
    /// The record with the offer of a compressed NAR, where there is one.
    pub(super) async fn offered(&self, record: PathRecord, codec: Codec) -> PathRecord {
        let PathRecord { info, offer, freshness } = record;
        let hash = info.path.hash_part();
        let as_it_is = |info, offer| {
            self.awaited.remove(&hash);
            let freshness = freshness.with_offer(COMPLETE);
            PathRecord { info, offer, freshness }
        };
        if !self.compresses(info.nar_size) {
            return as_it_is(info, offer);
        }
        let found = timeout(FILE_TIMEOUT, async {
            if self.is_packed(&info, codec).await {
                return Err(NotWorthPacking);
            }
            Ok(self.compressed_file(&info, codec).await)
        });
        let file = match found.await {
            Ok(Ok(Some(file))) if !worth::is_smaller(info.nar_size, file.size) => {
                return as_it_is(info, offer);
            }
            Ok(Ok(file)) => file,
            Ok(Err(NotWorthPacking)) => return as_it_is(info, offer),
            Err(_) => None,
        };
        let compression = codec.compression();
        let offer = NarOffer {
            url: NarName::new(hash, info.nar_hash, compression).canonical_url(),
            compression,
            file: file.map(|file| (file.hash.into(), file.size)),
            complete: file.is_some(),
        };
        if offer.complete {
            self.awaited.remove(&hash);
        } else {
            self.awaited.insert(hash, info.nar_hash);
        }
        let freshness = freshness.with_offer(if offer.complete { COMPLETE } else { AWAITED });
        PathRecord { info, offer, freshness }
    }

    /// Whether the NAR of a path is better sent as it is, because it would hardly get smaller. When that cannot be found out
    /// now, it is not.
    pub(super) async fn is_packed(&self, info: &PathInfo, codec: Codec) -> bool {
        let cache = &self.cache;
        let nar_hash = info.nar_hash;
        if let Some(recipe) = cache.limits(codec).known_recipe()
            && let Some(file) = cache.known(&recipe.tag(&nar_hash))
        {
            return !worth::is_smaller(info.nar_size, file.size);
        }
        if cache.is_whole(info.nar_size) {
            return false;
        }
        if let Some(is_worth_it) = cache.worth.known(&nar_hash) {
            return !is_worth_it;
        }
        match self.plain_nar(info.path.hash_part(), nar_hash).await {
            Ok(Some(nar)) => {
                let _slot = cache.prepared.slot(1).await;
                cache.worth.sample(nar_hash, &nar).await.ok().flatten() == Some(false)
            }
            Ok(None) | Err(_) => false,
        }
    }

    /// Length and hash of a path's compressed NAR. A small NAR is compressed if need be, unless too many are waiting
    /// for that; the compression of a large one begins, and they are known when it has ended.
    pub async fn compressed_file(&self, info: &PathInfo, codec: Codec) -> Option<CompressedFile> {
        let cache = &self.cache;
        let recipe = cache.limits(codec).recipe().await.ok()?;
        cache.ready().await;
        if let Some(known) = cache.known(&recipe.tag(&info.nar_hash)) {
            return Some(known);
        }
        if !self.compresses(info.nar_size) {
            return None;
        }
        if !cache.is_whole(info.nar_size) {
            return self.begin_early(info, recipe, codec).await.ok().flatten();
        }
        if cache.is_busy() {
            return None;
        }
        match self.compressed_nar(info.path.hash_part(), Some(info.nar_hash), codec).await {
            Ok(Some(Compressed::Finished(finished))) => Some(*finished.file()),
            _ => None,
        }
    }

    /// The same, as far as it is in memory.
    #[must_use]
    pub fn known_compressed_file(
        &self,
        nar_hash: &Sha256Digest,
        codec: Codec,
    ) -> Option<CompressedFile> {
        self.cache.known(&self.cache.limits(codec).known_recipe()?.tag(nar_hash))
    }
}

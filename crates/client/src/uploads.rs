//! Uploads of all kinds of objects.

use bytes::Bytes;
use rns_formats::{CacheInfo, HashPart, NarInfo, NarName, StoreDir, StorePath};

use crate::{body::UploadBody, cache_client::CacheClient, error::RequestError, send::Request};

impl CacheClient {
    /// Makes a server that takes everything a binary cache, as stock Nix does.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn put_info(&self, info: &CacheInfo) -> Result<(), RequestError> {
        let text = Bytes::from(info.to_string());
        self.put("nix-cache-info", "text/x-nix-cache-info", text.into()).await
    }

    /// Uploads the file of a NAR.
    ///
    /// # Errors
    /// When it is refused, or does not arrive whole in any attempt.
    pub async fn put_nar(&self, name: &NarName, body: UploadBody) -> Result<(), RequestError> {
        self.put(&name.canonical_url(), "application/x-nix-nar", body).await
    }

    /// Uploads the narinfo of a path, which makes it visible. Its NAR and its references are there.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn put_narinfo(
        &self,
        narinfo: &NarInfo,
        store_dir: &StoreDir,
    ) -> Result<(), RequestError> {
        let name = format!("{}.narinfo", narinfo.store_path.hash_part());
        let text = Bytes::from(narinfo.write(store_dir));
        self.put(&name, "text/x-nix-narinfo", text.into()).await
    }

    /// Uploads the listing of a path's NAR.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn put_listing(&self, hash: &HashPart, json: Bytes) -> Result<(), RequestError> {
        self.put(&format!("{hash}.ls"), "application/json", json.into()).await
    }

    /// Uploads the log of a build.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn put_log(&self, derivation: &StorePath, text: Bytes) -> Result<(), RequestError> {
        // A name may hold a question mark, which begins no query here.
        let name = derivation.as_str().replace('?', "%3F");
        self.put(&format!("log/{name}"), "text/plain; charset=utf-8", text.into()).await
    }

    async fn put(
        &self,
        name: &str,
        content_type: &'static str,
        body: UploadBody,
    ) -> Result<(), RequestError> {
        let url = self.below(&self.upload_url(), name)?;
        self.send(&Request::put(url, content_type, body), &[]).await.map(|_| ())
    }
}

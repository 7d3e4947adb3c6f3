//! Uploads of all kinds of objects.

use bytes::Bytes;
use rns_formats::{
    BuildTraceEntry, CacheInfo, DrvOutputId, HashPart, NarInfo, NarName, Realisation, StoreDir,
    StorePath,
};

use crate::{body::UploadBody, cache_client::CacheClient, error::RequestError, send::CacheRequest};

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

    /// Uploads the log of a build, which made `built`, among other paths.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn put_log(
        &self,
        derivation: &StorePath,
        text: UploadBody,
        built: &StorePath,
    ) -> Result<(), RequestError> {
        let url = self.below(&self.upload_url(), &log_name(derivation))?;
        let put = CacheRequest::put(url, "text/plain; charset=utf-8", text);
        let request = CacheRequest { built_path: Some(built.clone()), ..put };
        self.send(&request, &[]).await.map(|_| ())
    }

    /// Uploads the output of a content-addressed derivation, as Nix 2.4 to 2.34 exchange it.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn put_realisation(&self, realisation: &Realisation) -> Result<(), RequestError> {
        let json = Bytes::from(realisation.to_json());
        self.put(&realisation_name(&realisation.id), "application/json", json.into()).await
    }

    /// Uploads the output of a content-addressed derivation, as Nix since 2.35 exchanges it.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn put_build_trace(&self, entry: &BuildTraceEntry) -> Result<(), RequestError> {
        let name = build_trace_name(&entry.drv_path, entry.output_name.as_str());
        let json = Bytes::from(entry.to_json());
        self.put(&name, "application/json", json.into()).await
    }

    /// Returns true if there is a listing of this path's NAR.
    ///
    /// # Errors
    /// When the cache cannot be asked.
    pub async fn has_listing(&self, hash: &HashPart) -> Result<bool, RequestError> {
        self.has(&format!("{hash}.ls")).await
    }

    /// Returns true if there is a log of this derivation's build.
    ///
    /// # Errors
    /// When the cache cannot be asked.
    pub async fn has_log(&self, derivation: &StorePath) -> Result<bool, RequestError> {
        self.has(&log_name(derivation)).await
    }

    /// Returns true if there is a realisation with this id.
    ///
    /// # Errors
    /// When the cache cannot be asked.
    pub async fn has_realisation(&self, id: &DrvOutputId) -> Result<bool, RequestError> {
        self.has(&realisation_name(id)).await
    }

    /// Returns true if this output of a derivation has an entry in the build trace.
    ///
    /// # Errors
    /// When the cache cannot be asked.
    pub async fn has_build_trace(
        &self,
        derivation: &StorePath,
        output: &str,
    ) -> Result<bool, RequestError> {
        self.has(&build_trace_name(derivation, output)).await
    }

    async fn put(
        &self,
        name: &str,
        content_type: &'static str,
        body: UploadBody,
    ) -> Result<(), RequestError> {
        let url = self.below(&self.upload_url(), name)?;
        self.send(&CacheRequest::put(url, content_type, body), &[]).await.map(|_| ())
    }
}

fn log_name(derivation: &StorePath) -> String {
    format!("log/{}", escaped(derivation.as_str()))
}

fn realisation_name(id: &DrvOutputId) -> String {
    format!("realisations/{}.doi", escaped(&id.to_string()))
}

fn build_trace_name(derivation: &StorePath, output: &str) -> String {
    format!("build-trace-v2/{}/{}.doi", escaped(derivation.as_str()), escaped(output))
}

/// A name may hold a question mark, which begins no query here.
fn escaped(name: &str) -> String {
    name.replace('?', "%3F")
}

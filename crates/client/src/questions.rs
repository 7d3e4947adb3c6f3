//! Questions about one thing: `nix-cache-info`, narinfos.

use reqwest::{Method, StatusCode};
use rns_formats::{
    CacheInfo, HashPart, MAX_CACHE_INFO_BYTES, MAX_NARINFO_BYTES, NarInfo, NarName, StoreDir,
};

use crate::{
    cache_client::CacheClient,
    error::{RequestError, RequestFailure},
    send::CacheRequest,
};

/// Statuses of objects that are missing. A bucket that may not be listed says 403.
const MISSING: [StatusCode; 3] = [StatusCode::NOT_FOUND, StatusCode::GONE, StatusCode::FORBIDDEN];

/// Statuses of servers that do not know HEAD.
const NO_HEAD: [StatusCode; 3] =
    [StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_IMPLEMENTED, StatusCode::BAD_REQUEST];

impl CacheClient {
    /// The properties of the cache. `None`: there is no `nix-cache-info`, so there is no cache yet.
    ///
    /// # Errors
    /// When the cache cannot be asked, or the answer is none.
    pub async fn info(&self) -> Result<Option<CacheInfo>, RequestError> {
        let url = self.below(self.url(), "nix-cache-info")?;
        let request = CacheRequest::get(url, MAX_CACHE_INFO_BYTES);
        let missing = [StatusCode::NOT_FOUND, StatusCode::GONE];
        let reply = self.send(&request, &missing).await?;
        if reply.status != StatusCode::OK {
            return Ok(None);
        }
        let malformed =
            |why: String| RequestError::new(request.url.as_str(), RequestFailure::Malformed(why));
        let text = str::from_utf8(&reply.body).map_err(|error| malformed(error.to_string()))?;
        // Servers that answer everything with a page would pass for a cache without properties.
        if !text.lines().any(|line| line.starts_with("StoreDir:")) {
            return Err(malformed("it is no nix-cache-info".to_owned()));
        }
        CacheInfo::parse(text).map(Some).map_err(|error| malformed(error.to_string()))
    }

    /// The narinfo of the path with this hash part, if it is there.
    ///
    /// # Errors
    /// When the cache cannot be asked, or the answer is no narinfo of this path.
    pub async fn narinfo(
        &self,
        hash: &HashPart,
        store_dir: &StoreDir,
    ) -> Result<Option<NarInfo>, RequestError> {
        let url = self.below(&self.upload_url(), &format!("{hash}.narinfo"))?;
        let request = CacheRequest::get(url, MAX_NARINFO_BYTES);
        let reply = self.send(&request, &MISSING).await?;
        if reply.status != StatusCode::OK {
            return Ok(None);
        }
        let malformed =
            |why: String| RequestError::new(request.url.as_str(), RequestFailure::Malformed(why));
        let text = str::from_utf8(&reply.body).map_err(|error| malformed(error.to_string()))?;
        let narinfo =
            NarInfo::parse(text, store_dir).map_err(|error| malformed(error.to_string()))?;
        if narinfo.store_path.hash_part() != *hash {
            return Err(malformed(format!("it is about {}", narinfo.store_path)));
        }
        Ok(Some(narinfo))
    }

    /// Returns true if there is a narinfo with this hash part.
    ///
    /// # Errors
    /// When the cache cannot be asked.
    pub async fn has_path(&self, hash: &HashPart) -> Result<bool, RequestError> {
        self.has(&format!("{hash}.narinfo")).await
    }

    /// Returns true if there is a NAR of this name.
    ///
    /// # Errors
    /// When the cache cannot be asked.
    pub async fn has_nar(&self, name: &NarName) -> Result<bool, RequestError> {
        self.has(&name.canonical_url()).await
    }

    /// Returns true if there is an object at the URL of a narinfo, which may lead elsewhere.
    ///
    /// # Errors
    /// When the cache cannot be asked.
    pub async fn has_url(&self, url: &str) -> Result<bool, RequestError> {
        self.has(url).await
    }

    pub(crate) async fn has(&self, name: &str) -> Result<bool, RequestError> {
        let url = self.below(&self.upload_url(), name)?;
        let get = CacheRequest::get(url, MAX_NARINFO_BYTES);
        let head = CacheRequest { method: Method::HEAD, ..get.clone() };
        let expected = [MISSING, NO_HEAD].concat();
        let reply = self.send(&head, &expected).await?;
        if NO_HEAD.contains(&reply.status) && name.ends_with(".narinfo") {
            let reply = self.send(&get, &MISSING).await?;
            return Ok(reply.status == StatusCode::OK);
        }
        Ok(reply.status == StatusCode::OK)
    }

    /// The URL of an object.
    pub(crate) fn below(&self, base: &url::Url, name: &str) -> Result<url::Url, RequestError> {
        base.join(name).map_err(|error| {
            RequestError::new(format!("{base}{name}"), RequestFailure::Malformed(error.to_string()))
        })
    }
}

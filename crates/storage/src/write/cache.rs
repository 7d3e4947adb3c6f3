//! The storage as a cache that takes uploads.

use async_trait::async_trait;
use bytes::Bytes;
use rns_cache::{
    BackendStats, BinaryCache, BuildLog, CacheError, DebugInfo, Listing, NarAnswer, NarUpload,
    NotReady, PathRecord, Peek, PublishError, Published, Pusher, ReadyNar, RootedCache, Served,
    WritableCache,
};
use rns_formats::{
    BuildId, BuildTraceEntry, Compression, DrvOutputId, HashPart, LogName, NarInfo, NarName,
    Realisation, ServePath, StoreDir, StorePath,
};
use rns_verify::unpack;

use super::{
    direct, documents,
    elsewhere::Presence,
    nar, publish, remove,
    storage::{Storage, index_unavailable},
};
use crate::{index::RemovalOrder, objects::ObjectKey};

#[async_trait]
impl BinaryCache for Storage {
    fn store_dir(&self) -> &StoreDir {
        self.reader.store_dir()
    }

    fn peek(&self, hash: &HashPart) -> Peek {
        self.reader.peek(hash)
    }

    async fn path_info(&self, hash: HashPart) -> Result<Option<PathRecord>, CacheError> {
        self.reader.path_info(hash).await
    }

    async fn nar(&self, name: &NarName) -> Result<Option<NarAnswer>, CacheError> {
        self.reader.nar(name).await
    }

    fn lacks_nar(&self, name: &NarName) -> bool {
        self.reader.lacks_nar(name)
    }

    fn nar_now(&self, name: &NarName, by_name: bool) -> Option<ReadyNar> {
        self.reader.nar_now(name, by_name)
    }

    async fn listing(&self, hash: HashPart) -> Result<Option<Listing>, CacheError> {
        self.reader.listing(hash).await
    }

    async fn log(&self, name: &LogName) -> Result<Option<BuildLog>, CacheError> {
        self.reader.log(name).await
    }

    async fn realisation(&self, id: &DrvOutputId) -> Result<Option<Realisation>, CacheError> {
        self.reader.realisation(id).await
    }

    async fn build_trace(
        &self,
        drv: &StorePath,
        output: &str,
    ) -> Result<Option<BuildTraceEntry>, CacheError> {
        self.reader.build_trace(drv, output).await
    }

    async fn debug_info(&self, id: &BuildId) -> Result<Option<DebugInfo>, CacheError> {
        self.reader.debug_info(id).await
    }

    async fn file(&self, hash: HashPart, path: &ServePath) -> Result<Option<Served>, CacheError> {
        self.reader.file(hash, path).await
    }

    async fn sample(&self) -> Result<Vec<HashPart>, CacheError> {
        self.reader.sample().await
    }

    async fn readiness(&self) -> Vec<NotReady> {
        self.reader.readiness().await
    }

    fn stats(&self) -> BackendStats {
        self.reader.stats()
    }
}

#[async_trait]
impl WritableCache for Storage {
    fn max_nar_size(&self) -> u64 {
        self.limits.max_nar_size
    }

    fn is_local(&self) -> bool {
        self.has_local_index()
    }

    async fn begin_nar(
        &self,
        name: &NarName,
        length: Option<u64>,
    ) -> Result<Box<dyn NarUpload>, PublishError> {
        nar::begin(self, name, length).await
    }

    async fn direct_upload(
        &self,
        name: &NarName,
        length: u64,
    ) -> Result<Option<String>, PublishError> {
        Ok(direct::place(self, name, length).await?.map(String::from))
    }

    async fn publish(&self, narinfo: &NarInfo, pusher: &Pusher) -> Result<Published, PublishError> {
        publish::publish(self, narinfo, pusher).await
    }

    async fn decompress(
        &self,
        compression: Compression,
        bytes: Bytes,
        limit: u64,
    ) -> Result<Bytes, PublishError> {
        unpack(compression, bytes, limit).await
    }

    async fn promise_path(&self, hash: &HashPart) -> Result<bool, CacheError> {
        self.keeps(hash).await
    }

    async fn promise_nar(&self, name: &NarName) -> Result<bool, CacheError> {
        let key = ObjectKey::nar(name);
        if !self.index.touch_nar(&key).await.map_err(index_unavailable)? {
            return Ok(false);
        }
        // One that lost its bytes is sent again. One that lay there before is verified when a narinfo names it.
        match self.index.nar(&key).await.map_err(index_unavailable)? {
            Some(known) => Ok(self.reader.nar_size(&key).await? == Some(known.file_size)),
            None => Ok(!self.wrong_nars.has(&key)),
        }
    }

    async fn is_elsewhere(&self, hash: &HashPart) -> bool {
        matches!(self.elsewhere.record(hash).await, Presence::Here(_))
    }

    async fn put_listing(&self, hash: HashPart, json: Bytes) -> Result<(), PublishError> {
        documents::put_listing(self, hash, json).await
    }

    async fn put_log(
        &self,
        name: &LogName,
        text: Bytes,
        built: Option<&HashPart>,
    ) -> Result<(), PublishError> {
        documents::put_log(self, name, text, built).await
    }

    async fn put_realisation(&self, realisation: &Realisation) -> Result<(), PublishError> {
        documents::put_realisation(self, realisation).await
    }

    async fn put_build_trace(&self, entry: &BuildTraceEntry) -> Result<(), PublishError> {
        documents::put_build_trace(self, entry).await
    }

    async fn put_debug_info(&self, id: &BuildId, info: &DebugInfo) -> Result<(), PublishError> {
        documents::put_debug_info(self, id, info).await
    }

    async fn delete(&self, hash: HashPart, who: &Pusher) -> Result<bool, PublishError> {
        remove::delete(self, hash, RemovalOrder { who, even_rooted: false }).await
    }

    fn rooted(&self) -> Option<&dyn RootedCache> {
        Some(self)
    }
}

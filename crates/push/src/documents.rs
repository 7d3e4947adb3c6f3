//! The documents that are sent after a path: the listing of its NAR, the log of its build, its realisations.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

use rns_cache::{BinaryCache as _, BlobBody, Chunks, LogContents};
use rns_client::UploadBody;
use rns_formats::{
    BuildTraceEntry, HashPart, LogName, PathInfo, Realisation, SecretKey, StorePath,
};
use rns_nix_store::LocalStore;
use tokio::{sync::mpsc, task::spawn_blocking};

use crate::{
    body_target::{BodyTarget, MAX_MEMORY_BYTES},
    config::PushConfig,
    document::PushedDocument,
    error::PushError,
    target::PushTarget,
};

/// Pieces of a log that wait to be written.
const MAX_LOG_CHUNKS: usize = 4;

/// The documents of all paths of a push.
pub(crate) struct Documents {
    of_paths: HashMap<HashPart, Vec<PushedDocument>>,
    scratch: PathBuf,
}

impl Documents {
    /// Finds out which there are. Realisations belong to a path; listings and logs are sent where that is wanted.
    pub(crate) async fn of(
        store: &LocalStore,
        paths: &[Arc<PathInfo>],
        config: &PushConfig,
    ) -> Result<Self, PushError> {
        let mut of_paths: HashMap<HashPart, Vec<PushedDocument>> = HashMap::new();
        let mut add = |path: &StorePath, document| {
            of_paths.entry(path.hash_part()).or_default().push(document);
        };
        if config.listings {
            paths.iter().for_each(|info| add(&info.path, PushedDocument::Listing));
        }
        if config.logs {
            for (path, derivation) in logs(store, paths).await? {
                add(&path, PushedDocument::Log(derivation));
            }
        }
        let names: Vec<StorePath> = paths.iter().map(|info| info.path.clone()).collect();
        let built = store.built_outputs(&names).await?;
        for realisation in built.realisations {
            let signed = signed(realisation, &config.keys, Realisation::sign);
            add(&signed.out_path.clone(), PushedDocument::Realisation(Arc::new(signed)));
        }
        for entry in built.build_trace {
            let signed = signed(entry, &config.keys, BuildTraceEntry::sign);
            add(&signed.out_path.clone(), PushedDocument::BuildTrace(Arc::new(signed)));
        }
        Ok(Self { of_paths, scratch: config.scratch.clone() })
    }

    /// Returns true for a path that has documents.
    pub(crate) fn has_any(&self, hash: &HashPart) -> bool {
        self.of_paths.contains_key(hash)
    }

    /// Sends the documents of a visible path, of one that is not new only those that are missing. Returns how many.
    pub(crate) async fn send(
        &self,
        store: &LocalStore,
        target: &PushTarget,
        info: &PathInfo,
        is_new: bool,
    ) -> Result<usize, PushError> {
        let mut sent = 0;
        for document in self.of_paths.get(&info.path.hash_part()).into_iter().flatten() {
            let failed = |error| PushError::Document {
                document: document.to_string(),
                source: Box::new(error),
            };
            // Other outputs of a derivation have the same log.
            let is_asked = !is_new || matches!(document, PushedDocument::Log(_));
            if is_asked && target.has_document(info, document).await.map_err(failed)? {
                continue;
            }
            sent += usize::from(self.put(store, target, info, document).await.map_err(failed)?);
        }
        Ok(sent)
    }

    /// Returns false if the document is not there any more, or cannot be made.
    async fn put(
        &self,
        store: &LocalStore,
        target: &PushTarget,
        info: &PathInfo,
        document: &PushedDocument,
    ) -> Result<bool, PushError> {
        let hash = info.path.hash_part();
        match document {
            PushedDocument::Listing => match store.listing(hash).await? {
                Some(listing) => target.put_listing(&hash, listing.json).await?,
                // JSON cannot hold its names.
                None => return Ok(false),
            },
            PushedDocument::Log(derivation) => match self.log(store, derivation).await? {
                Some(text) => target.put_log(derivation, text, &info.path).await?,
                None => return Ok(false),
            },
            PushedDocument::Realisation(realisation) => target.put_realisation(realisation).await?,
            PushedDocument::BuildTrace(entry) => target.put_build_trace(entry).await?,
        }
        Ok(true)
    }

    /// The text of a log: in memory where it is known to be small, otherwise in a file that has no name.
    async fn log(
        &self,
        store: &LocalStore,
        derivation: &StorePath,
    ) -> Result<Option<UploadBody>, PushError> {
        let Some(name) = LogName::of_derivation(derivation.clone()) else { return Ok(None) };
        let Some(log) = store.log(&name).await? else { return Ok(None) };
        let mut chunks: Box<dyn Chunks> = match log.contents {
            LogContents::Sized(blob) if blob.len() <= MAX_MEMORY_BYTES => {
                return Ok(blob.read_whole().await?.map(UploadBody::Bytes));
            }
            LogContents::Sized(blob) => match blob.read(0..blob.len()).await? {
                None => return Ok(None),
                Some(BlobBody::Whole(bytes)) => return Ok(Some(UploadBody::Bytes(bytes))),
                Some(BlobBody::Stream(chunks)) => chunks,
            },
            LogContents::Stream(chunks) => chunks,
        };
        let mut file = BodyTarget::file(&self.scratch).map_err(PushError::Pack)?;
        let (sender, mut receiver) = mpsc::channel::<bytes::Bytes>(MAX_LOG_CHUNKS);
        let writing = spawn_blocking(move || {
            let mut length = 0;
            while let Some(chunk) = receiver.blocking_recv() {
                std::io::Write::write_all(&mut file, &chunk)?;
                length += chunk.len() as u64;
            }
            file.into_body(length)
        });
        while let Some(chunk) = chunks.next_chunk().await {
            if sender.send(chunk?).await.is_err() {
                break;
            }
        }
        drop(sender);
        let written = writing.await.map_err(std::io::Error::other).and_then(|body| body);
        written.map(Some).map_err(PushError::Pack)
    }
}

/// The derivations with a log, each with one of the paths that it has built.
async fn logs(
    store: &LocalStore,
    paths: &[Arc<PathInfo>],
) -> Result<Vec<(StorePath, StorePath)>, PushError> {
    let mut built: HashMap<StorePath, StorePath> = HashMap::new();
    for info in paths {
        let own = Some(&info.path).filter(|path| path.is_derivation());
        if let Some(derivation) = own.or(info.deriver.as_ref()) {
            built.entry(derivation.clone()).or_insert_with(|| info.path.clone());
        }
    }
    let logged: HashSet<StorePath> =
        store.with_logs(built.keys().cloned().collect()).await?.into_iter().collect();
    Ok(built
        .into_iter()
        .filter(|(drv, _)| logged.contains(drv))
        .map(|(drv, path)| (path, drv))
        .collect())
}

/// The same with a signature by each key.
fn signed<T>(mut document: T, keys: &[SecretKey], sign: impl Fn(&mut T, &SecretKey)) -> T {
    keys.iter().for_each(|key| sign(&mut document, key));
    document
}

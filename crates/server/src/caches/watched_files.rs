//! Files of keys, tokens and certificates, which are loaded again when they change.

use crate::{
    config::{CachesConfig, TlsFiles},
    jobs::file_watch::FileWatch,
};

/// How the files of keys and certificate looked before they were loaded. In this order, a change
/// in between is loaded again rather than overlooked.
#[derive(Debug)]
pub(crate) struct WatchedFiles {
    pub(super) keys: FileWatch,
    pub(super) tokens: FileWatch,
    pub(super) tls: FileWatch,
}

impl WatchedFiles {
    pub(crate) fn new(caches: &CachesConfig, tls: Option<&TlsFiles>) -> Self {
        let tls = tls.into_iter().flat_map(|files| {
            [Some(&files.certificate), Some(&files.key), files.client_ca.as_ref()]
        });
        let tls = tls.flatten().map(|path| path.as_path());
        let keys = caches.all().flat_map(|(_, cache)| &cache.signing.keys);
        let tokens = caches.all().filter_map(|(_, cache)| cache.access.tokens.as_deref());
        Self {
            keys: FileWatch::new(keys.map(|path| path.as_path())),
            tokens: FileWatch::new(tokens),
            tls: FileWatch::new(tls),
        }
    }
}

//! Which backends are served: the local store, a storage, or both.

use rns_nix_store::{ImportConfig, StoreConfig};
use std::time::Duration;

use rns_storage::{
    objects::StorageUrl,
    retention::Retention,
    write::{DirectUploads, UploadLimits},
};
use url::Url;

use super::{
    diagnostics::Diagnostics,
    import,
    index::{self, IndexConfig},
    raw::RawConfig,
    retention, upload,
};

/// The backends that are served, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BackendsConfig {
    /// Whether the local store is one of them.
    pub(crate) has_local_store: bool,
    /// The storage beside it, or alone.
    pub(crate) storage: Option<StorageConfig>,
    /// How uploads go into the local store, where that is their target.
    pub(crate) import: Option<ImportConfig>,
}

impl BackendsConfig {
    /// Where clients push, below the address of the cache, if they can: not at the reading address where the local store is
    /// read, since its paths may be collected tomorrow.
    pub(crate) fn push_path(&self) -> Option<&'static str> {
        let is_taken = self.storage.is_some() || self.import.is_some();
        is_taken.then_some(if self.has_local_store { "/push" } else { "" })
    }
}

/// A storage that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StorageConfig {
    /// The directory or bucket.
    pub(crate) url: StorageUrl,
    /// Memory for its narinfos, in bytes.
    pub(crate) memory_bytes: usize,
    /// Whether acknowledged objects survive a power loss.
    pub(crate) sync: bool,
    /// Whether clients get NARs from the bucket itself.
    pub(crate) redirect: bool,
    /// Its index.
    pub(crate) index: IndexConfig,
    /// How much is taken.
    pub(crate) limits: UploadLimits,
    /// Which NARs clients send to the bucket themselves.
    pub(crate) direct: Option<DirectUploads>,
    /// Caches that clients always have.
    pub(crate) assume_upstream: Vec<Url>,
    /// The policy of retention.
    pub(crate) retention: Retention,
    /// How often the server collects; `None`: never on a schedule.
    pub(crate) collect_interval: Option<Duration>,
}

/// The backends that `[store] enabled` and `[storage]` name.
pub(super) fn resolve(
    raw: &RawConfig,
    store: &StoreConfig,
    diagnostics: &mut Diagnostics<'_>,
) -> BackendsConfig {
    let retention = retention::resolve(raw, diagnostics);
    let import = import::resolve(raw, store, &retention, diagnostics);
    let storage = storage(raw, retention, diagnostics);
    if !raw.store.enabled && raw.storage.url.is_empty() {
        diagnostics.problem(
            "store.enabled",
            "without the local store there is nothing to serve",
            "name a storage in storage.url",
        );
    }
    BackendsConfig { has_local_store: raw.store.enabled, storage, import }
}

fn storage(
    raw: &RawConfig,
    retention: Retention,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<StorageConfig> {
    let collect_interval = Some(raw.retention.interval.0).filter(|interval| !interval.is_zero());
    let RawConfig { storage: raw, index, upload, .. } = raw;
    let limits = upload::limits(upload, diagnostics);
    let assume_upstream = upload::upstreams(upload, diagnostics);
    if raw.url.is_empty() {
        if !index.url.is_empty() {
            diagnostics.warn("index.url means nothing without a storage in storage.url");
        }
        return None;
    }
    match raw.url.parse() {
        Ok(url) => Some(StorageConfig {
            direct: upload::direct(upload, &url, diagnostics),
            index: index::resolve(index, &url, diagnostics),
            url,
            memory_bytes: raw.memory.in_memory(),
            sync: raw.sync,
            limits,
            assume_upstream,
            redirect: raw.redirect,
            retention,
            collect_interval,
        }),
        Err(error) => {
            diagnostics.problem("storage.url", format!("`{}`: {error}", raw.url), "");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::load_with;

    fn backends(file: &str) -> BackendsConfig {
        load_with(file, &[], &[]).unwrap().backends
    }

    #[test]
    fn the_local_store_is_served_unless_it_is_switched_off() {
        let usual = BackendsConfig { has_local_store: true, storage: None, import: None };
        assert_eq!(backends(""), usual);
        let both = backends("[storage]\nurl = \"file:///var/cache/binary\"\n");
        assert!(both.has_local_store && both.storage.is_some());
        let alone =
            backends("[storage]\nurl = \"s3://cache?region=eu-1\"\n[store]\nenabled = false\n");
        assert!(!alone.has_local_store && alone.storage.is_some());
    }

    #[test]
    fn nothing_to_serve_and_a_url_of_nothing_are_problems() {
        let problems = |file| load_with(file, &[], &[]).unwrap_err().to_string();
        let nothing = problems("[store]\nenabled = false\n");
        assert!(nothing.contains("store.enabled") && nothing.contains("storage.url"), "{nothing}");
        let wrong = problems("[storage]\nurl = \"https://cache.example.org\"\n");
        assert!(wrong.contains("storage.url") && wrong.contains("s3://bucket"), "{wrong}");
    }
}

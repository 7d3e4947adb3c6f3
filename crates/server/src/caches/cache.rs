//! One named cache.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use actix_web::http::header::HeaderValue;
use bytes::Bytes;
use rns_cache::{BinaryCache, CacheFactory, Pattern};
use rns_formats::{CacheInfo, StorePath};

use crate::{
    auth::{
        Access, denied,
        tokens::{TokenFileError, Tokens},
    },
    caches::{
        outage::QuestionOutage,
        scoped::ScopedCaches,
        signing::{SharedSigner, Signer, share},
        uploads::Uploads,
    },
    config::{CacheConfig, NamedCache},
};

/// Below it, a cache is as its pushers see it.
pub(crate) const PUSH_PATH: &str = "/push";

/// Numbers the caches that were ever there, so that nothing that was rendered for one is sent for another.
static NEXT_ID: AtomicU32 = AtomicU32::new(0);

/// One named cache: its backends, keys and rules of access.
pub(crate) struct Cache {
    /// Its name in the configuration; the default one has none.
    pub(crate) name: Option<Arc<str>>,
    /// Its number, which no other cache ever had.
    pub(crate) id: u32,
    /// The backends, as far as they are shown.
    pub(crate) store: Arc<dyn BinaryCache>,
    /// Whether it is known by a host name of its own.
    pub(crate) has_host: bool,
    /// The path it is under: empty, or with a slash at the beginning and none at the end.
    pub(crate) path: String,
    /// The body of `/nix-cache-info`.
    pub(crate) cache_info: Bytes,
    /// Tokens and permissions.
    pub(crate) access: Arc<Access>,
    /// The header `WWW-Authenticate`.
    pub(crate) challenge: HeaderValue,
    /// Its configuration.
    pub(crate) config: CacheConfig,
    /// Narinfos that cannot be answered.
    pub(crate) outage: QuestionOutage,
    /// Tokens that cannot be checked.
    pub(crate) token_outage: QuestionOutage,
    /// Uploads that cannot be taken, to this cache in any view of it.
    pub(crate) upload_outage: Arc<QuestionOutage>,
    /// The target of uploads to this address. `None`: it takes none.
    pub(crate) uploads: Option<Arc<Uploads>>,
    /// The same cache as its pushers see it, below [`PUSH_PATH`].
    pub(crate) push: Option<Arc<Self>>,
    signer: Arc<SharedSigner>,
    /// Whether the keys could not be used when they were last loaded.
    keys_refused: AtomicBool,
    scoped: ScopedCaches<Self>,
    factory: Arc<dyn CacheFactory>,
}

impl Cache {
    pub(super) fn new(
        factory: &Arc<dyn CacheFactory>,
        named: Option<&NamedCache>,
        config: &CacheConfig,
    ) -> Self {
        let name: Option<Arc<str>> = named.map(|named| named.name.as_str().into());
        let store = factory.cache(name.as_deref(), &config.expose);
        let signer = Signer::load(&config.signing);
        let cache_info = CacheInfo {
            store_dir: store.store_dir().clone(),
            want_mass_query: config.want_mass_query,
            priority: config.priority,
            unknown: Vec::new(),
        };
        let mut cache = Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            store,
            has_host: named.is_some_and(|named| !named.hosts.is_empty()),
            path: named.and_then(|named| named.path.clone()).unwrap_or_default(),
            cache_info: Bytes::from(cache_info.to_string()),
            access: Arc::new(Access::new(name.clone(), &config.access)),
            challenge: denied::challenge(name.as_deref()),
            name,
            config: config.clone(),
            outage: QuestionOutage::default(),
            token_outage: QuestionOutage::default(),
            upload_outage: Arc::default(),
            uploads: None,
            push: None,
            keys_refused: (!signer.problems().is_empty()).into(),
            signer: Arc::new(share(signer)),
            scoped: ScopedCaches::default(),
            factory: Arc::clone(factory),
        };
        if let Some(found) = factory.uploads(cache.name.as_deref(), &config.expose) {
            let policy = config.upload.clone();
            let uploads = Arc::new(Uploads { target: found.target, policy });
            cache.uploads = found.is_whole.then(|| Arc::clone(&uploads));
            let mut push = cache.showing(found.view);
            push.path.push_str(PUSH_PATH);
            push.uploads = Some(uploads);
            cache.push = Some(Arc::new(push));
        }
        cache.access.with_tokens(|tokens| cache.prepare(tokens));
        cache
    }

    /// The same cache with other backends.
    fn showing(&self, store: Arc<dyn BinaryCache>) -> Self {
        Self {
            name: self.name.clone(),
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            store,
            has_host: self.has_host,
            path: self.path.clone(),
            cache_info: self.cache_info.clone(),
            access: Arc::clone(&self.access),
            challenge: self.challenge.clone(),
            config: self.config.clone(),
            outage: QuestionOutage::default(),
            token_outage: QuestionOutage::default(),
            upload_outage: Arc::clone(&self.upload_outage),
            uploads: self.uploads.clone(),
            push: self.push.clone(),
            signer: Arc::clone(&self.signer),
            keys_refused: false.into(),
            scoped: ScopedCaches::default(),
            factory: Arc::clone(&self.factory),
        }
    }

    /// The same cache for the holders of a token that shows only paths with such names, and their references.
    fn confined_to(&self, paths: &[Pattern]) -> Self {
        let policy = self.config.expose.restricted_to(paths.to_vec());
        let mut confined = self.showing(self.factory.cache(self.name.as_deref(), &policy));
        confined.config.expose = policy;
        confined
    }

    /// The same at the push address.
    fn push_confined_to(&self, paths: &[Pattern]) -> Self {
        let policy = self.config.expose.restricted_to(paths.to_vec());
        let found = self.factory.uploads(self.name.as_deref(), &policy);
        let mut confined =
            self.showing(found.map_or_else(|| Arc::clone(&self.store), |found| found.view));
        confined.config.expose = policy;
        confined
    }

    /// The cache for a client that may push: it skips paths that it is told are there, so these must stay.
    pub(crate) fn for_pusher(self: &Arc<Self>) -> &Arc<Self> {
        match (&self.push, &self.uploads) {
            (Some(push), Some(_)) => push,
            _ => self,
        }
    }

    /// The cache with roots that this one is, or that its pushers see.
    pub(crate) fn with_roots(&self) -> Option<&Arc<Uploads>> {
        let pushed_to = self.push.as_ref().and_then(|push| push.uploads.as_ref());
        let uploads = self.uploads.as_ref().or(pushed_to);
        uploads.filter(|uploads| uploads.target.rooted().is_some())
    }

    /// Whether a path of the storage is shown here.
    pub(crate) fn shows_stored(&self, path: &StorePath) -> bool {
        let mut choices = self.config.expose.names.iter();
        choices.all(|names| names.iter().any(|pattern| pattern.matches(path.name())))
    }

    /// The cache for clients that are confined to these paths. `None`: no token confines its holder so.
    pub(crate) fn scoped_to(&self, paths: &[Pattern]) -> Option<Arc<Self>> {
        self.scoped.get(paths)
    }

    /// Reads the file of tokens again. Downloads that run are not touched.
    ///
    /// # Errors
    /// The problem of the file; the tokens stay as they were.
    pub(crate) fn reload_tokens(&self) -> Result<usize, TokenFileError> {
        self.access.reload_tokens(|tokens| self.prepare(tokens))
    }

    /// Makes the scoped caches of the holders of tokens, before these are let in.
    fn prepare(&self, tokens: &Tokens) {
        self.scoped.keep(tokens.paths(), |paths| self.confined_to(paths));
        if let Some(push) = &self.push {
            push.scoped.keep(tokens.paths(), |paths| push.push_confined_to(paths));
        }
    }

    /// The keys in use.
    #[must_use]
    pub(crate) fn signer(&self) -> arc_swap::Guard<Arc<Signer>> {
        self.signer.load()
    }

    /// The begin of a line of the log that is about this cache.
    pub(crate) fn label(&self) -> String {
        self.access.label()
    }

    /// Its backends as every client sees them, and as the holders of confined tokens do.
    pub(super) fn stores(&self) -> Vec<Arc<dyn BinaryCache>> {
        let scoped = self.scoped.all();
        let scoped = scoped.iter().map(|cache| Arc::clone(&cache.store));
        std::iter::once(Arc::clone(&self.store)).chain(scoped).collect()
    }

    /// Problems of keys and of the file of tokens, for the operator.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.signer().problems().iter().cloned().chain(self.access.problems()).collect()
    }

    /// Whether the keys could not be used when they were last loaded: older ones are in use, or none.
    pub(crate) fn are_keys_refused(&self) -> bool {
        self.keys_refused.load(Ordering::Relaxed)
    }

    /// Loads the keys anew. Downloads that run are not touched.
    ///
    /// # Errors
    /// The problems of the new keys; the old ones stay in use, unless these had problems as well.
    pub(crate) fn reload_keys(&self) -> Result<(), Vec<String>> {
        let new = Signer::load(&self.config.signing);
        let problems = new.problems().to_vec();
        self.keys_refused.store(!problems.is_empty(), Ordering::Relaxed);
        if problems.is_empty() || !self.signer().problems().is_empty() {
            self.signer.store(Arc::new(new));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

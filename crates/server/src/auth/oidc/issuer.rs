//! The keys of an issuer: fetched when they are needed, kept while it cannot be reached.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use jsonwebtoken::Algorithm;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use super::{
    error::IssuerError,
    http,
    keys::{IssuerKey, KeySet},
};

/// How often keys are fetched.
#[derive(Clone, Copy, Debug)]
struct FetchTimes {
    /// At most so often.
    pause: Duration,
    /// Keys of this age are fetched anew, beside the request that they are used for.
    fresh: Duration,
    /// Keys of this age do not count any more.
    stale: Duration,
}

const FETCH_TIMES: FetchTimes = FetchTimes {
    pause: Duration::from_secs(10),
    fresh: Duration::from_secs(3600),
    stale: Duration::from_secs(24 * 3600),
};

/// An issuer and its keys.
pub(super) struct Issuer {
    url: String,
    ca: Option<PathBuf>,
    pace: FetchTimes,
    fetch: fn(&str, Option<&Path>) -> Result<KeySet, IssuerError>,
    known: ArcSwapOption<CachedKeys>,
    /// One fetches, the others wait.
    turn: Arc<Turn<Attempts>>,
}

struct CachedKeys {
    keys: KeySet,
    since: Instant,
}

#[derive(Default)]
struct Attempts {
    /// When the last one ended.
    last: Option<Instant>,
    /// When the last one that brought keys began.
    succeeded: Option<Instant>,
    failing: bool,
}

/// The outcome of the search for a key.
#[derive(Debug)]
pub(super) enum KeySearch {
    Key(Arc<IssuerKey>),
    /// The issuer has no such key.
    None,
    /// The issuer cannot be asked.
    Unreachable,
    /// The issuer was asked a moment ago, and may have the key by now.
    NotYet,
}

impl Issuer {
    /// The issuer of this name. Caches share it, and it outlives the reload of a configuration that still names it.
    pub(super) fn shared(url: &str, ca: Option<&Path>) -> Arc<Self> {
        static ALL: Mutex<Vec<Weak<Issuer>>> = Mutex::new(Vec::new());
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|issuer| issuer.strong_count() > 0);
        let known = all.iter().filter_map(Weak::upgrade);
        let mut known = known.filter(|issuer| issuer.url == url && issuer.ca.as_deref() == ca);
        known.next().unwrap_or_else(|| {
            let issuer = Arc::new(Self::new(url, ca, FETCH_TIMES, http::keys));
            all.push(Arc::downgrade(&issuer));
            issuer
        })
    }

    fn new(
        url: &str,
        ca: Option<&Path>,
        pace: FetchTimes,
        fetch: fn(&str, Option<&Path>) -> Result<KeySet, IssuerError>,
    ) -> Self {
        let (url, ca) = (url.to_owned(), ca.map(Path::to_owned));
        Self { url, ca, pace, fetch, known: ArcSwapOption::empty(), turn: Arc::default() }
    }

    /// The key that a token says it is signed with, which came at this time. The issuer is asked when that is not among the
    /// known ones.
    pub(super) async fn key(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: Algorithm,
        asked: Instant,
    ) -> KeySearch {
        if let Some((key, age)) = self.known(id, algorithm) {
            if age > self.pace.fresh
                && let Ok(turn) = Arc::clone(&self.turn).try_lock_owned()
            {
                drop(self.refresh(turn));
            }
            return KeySearch::Key(key);
        }
        let turn = Arc::clone(&self.turn).lock_owned().await;
        if let Some(fetching) = self.refresh(turn) {
            let _ = fetching.await;
        }
        match self.known(id, algorithm) {
            Some((key, _)) => KeySearch::Key(key),
            None => {
                let attempts = self.turn.lock().await;
                match attempts.succeeded {
                    Some(began) if began >= asked => KeySearch::None,
                    _ if attempts.failing => KeySearch::Unreachable,
                    _ => KeySearch::NotYet,
                }
            }
        }
    }

    /// Whether the last attempt to ask it has failed, or one is being made.
    pub(super) fn is_failing(&self) -> bool {
        self.turn.try_lock().map_or(true, |attempts| attempts.failing)
    }

    fn known(&self, id: Option<&str>, algorithm: Algorithm) -> Option<(Arc<IssuerKey>, Duration)> {
        let known = self.known.load();
        let known = known.as_ref()?;
        let age = known.since.elapsed();
        let key = known.keys.find(id, algorithm)?;
        (age < self.pace.stale).then(|| (Arc::clone(key), age))
    }

    /// Fetches the keys, unless that was just done. It goes on also when no request waits for it any more, and none
    /// else begins meanwhile.
    fn refresh(
        self: &Arc<Self>,
        mut turn: OwnedMutexGuard<Attempts>,
    ) -> Option<tokio::task::JoinHandle<()>> {
        if turn.last.is_some_and(|last| last.elapsed() < self.pace.pause) {
            return None;
        }
        let issuer = Arc::clone(self);
        Some(tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let fetched = (issuer.fetch)(&issuer.url, issuer.ca.as_deref());
            turn.last = Some(Instant::now());
            let was_failing = std::mem::replace(&mut turn.failing, fetched.is_err());
            match fetched {
                Ok(keys) => {
                    turn.succeeded = Some(began);
                    if was_failing || issuer.known.load().is_none() {
                        tracing::info!("{issuer} has {} keys", keys.len());
                    }
                    issuer.known.store(Some(Arc::new(CachedKeys { keys, since: Instant::now() })));
                }
                Err(_) if was_failing => {}
                Err(problem) => tracing::error!(
                    "the keys of {issuer} cannot be fetched: {problem}; those that are known count for {} hours, \
                     other clients of it get 503 until then. Does the service have access to the network?",
                    issuer.pace.stale.as_secs() / 3600
                ),
            }
        }))
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the issuer {}", self.url)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const FETCH_TIMES: FetchTimes =
        FetchTimes { pause: Duration::ZERO, fresh: Duration::MAX, stale: Duration::MAX };

    fn keys(id: &str) -> Result<KeySet, IssuerError> {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let key = serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": x });
        Ok(KeySet::parse(serde_json::json!({ "keys": [key] }).to_string().as_bytes())?)
    }

    fn issuer(
        pace: FetchTimes,
        fetch: fn(&str, Option<&Path>) -> Result<KeySet, IssuerError>,
    ) -> Arc<Issuer> {
        Arc::new(Issuer::new("test", None, pace, fetch))
    }

    async fn key(issuer: &Arc<Issuer>, id: &str) -> KeySearch {
        issuer.key(Some(id), Algorithm::EdDSA, Instant::now()).await
    }

    #[tokio::test]
    async fn many_who_need_a_key_at_once_fetch_once() {
        static FETCHED: AtomicUsize = AtomicUsize::new(0);
        let issuer = issuer(FetchTimes { pause: Duration::MAX, ..FETCH_TIMES }, |_, _| {
            FETCHED.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(50));
            keys("a")
        });
        let all: Vec<_> = (0..20)
            .map(|_| {
                let issuer = Arc::clone(&issuer);
                tokio::spawn(async move { key(&issuer, "a").await })
            })
            .collect();
        for one in all {
            assert!(matches!(one.await.unwrap(), KeySearch::Key(_)));
        }
        assert!(
            matches!(key(&issuer, "b").await, KeySearch::NotYet),
            "the issuer may have it since, and is not asked again so soon"
        );
        assert_eq!(FETCHED.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn an_unknown_key_is_looked_for_and_found_once_it_is_published() {
        static FETCHED: AtomicUsize = AtomicUsize::new(0);
        let issuer = issuer(FETCH_TIMES, |_, _| {
            keys(if FETCHED.fetch_add(1, Ordering::Relaxed) < 2 { "a" } else { "b" })
        });
        assert!(matches!(key(&issuer, "a").await, KeySearch::Key(_)));
        assert!(matches!(key(&issuer, "b").await, KeySearch::None));
        assert!(matches!(key(&issuer, "b").await, KeySearch::Key(_)));
        assert!(matches!(key(&issuer, "a").await, KeySearch::None), "rotated out");
    }

    #[tokio::test]
    async fn known_keys_count_while_the_issuer_is_down_but_not_for_ever() {
        static FETCHED: AtomicUsize = AtomicUsize::new(0);
        fn once(_: &str, _: Option<&Path>) -> Result<KeySet, IssuerError> {
            match FETCHED.fetch_add(1, Ordering::Relaxed) {
                0 => keys("a"),
                _ => Err(IssuerError::NoKeyUrl),
            }
        }
        let issuer = issuer(FETCH_TIMES, once);
        assert!(matches!(key(&issuer, "a").await, KeySearch::Key(_)));
        assert!(matches!(key(&issuer, "b").await, KeySearch::Unreachable));
        assert!(issuer.is_failing());
        assert!(matches!(key(&issuer, "a").await, KeySearch::Key(_)));

        FETCHED.store(0, Ordering::Relaxed);
        let issuer = self::issuer(FetchTimes { stale: Duration::ZERO, ..FETCH_TIMES }, once);
        assert!(!matches!(key(&issuer, "a").await, KeySearch::Key(_)));
        assert!(matches!(key(&issuer, "a").await, KeySearch::Unreachable));
    }

    #[test]
    fn an_issuer_outlives_those_who_share_it_in_turn() {
        let first = Issuer::shared("https://issuer.test", None);
        let second = Issuer::shared("https://issuer.test", None);
        let other = Issuer::shared("https://issuer.test", Some(Path::new("/ca")));
        assert!(Arc::ptr_eq(&first, &second) && !Arc::ptr_eq(&first, &other));
    }
}

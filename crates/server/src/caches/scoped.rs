//! Tokens that show only a part of a cache: each choice of paths has a cache of its own.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rns_cache::Pattern;

use crate::auth::tokens::MAX_PATH_CHOICES;

/// The caches for the choices of paths that tokens make.
pub(crate) struct ScopedCaches<C>(ArcSwap<Vec<Choice<C>>>);

/// Patterns of names, and the cache that shows only these paths and their references.
type Choice<C> = (Arc<[Pattern]>, Arc<C>);

impl<C> Default for ScopedCaches<C> {
    fn default() -> Self {
        Self(ArcSwap::default())
    }
}

impl<C> ScopedCaches<C> {
    /// The cache for a choice; `None` when no token makes it.
    pub(crate) fn get(&self, paths: &[Pattern]) -> Option<Arc<C>> {
        let choices = self.0.load();
        choices.iter().find(|(choice, _)| **choice == *paths).map(|(_, cache)| Arc::clone(cache))
    }

    /// Every cache.
    pub(crate) fn all(&self) -> Vec<Arc<C>> {
        self.0.load().iter().map(|(_, cache)| Arc::clone(cache)).collect()
    }

    /// Makes the caches that are missing and forgets those that no token names any more.
    pub(crate) fn keep<'a>(
        &self,
        named: impl Iterator<Item = &'a Arc<[Pattern]>>,
        make: impl Fn(&[Pattern]) -> C,
    ) {
        let mut choices: Vec<Choice<C>> = Vec::new();
        for paths in named {
            let is_new = !choices.iter().any(|(choice, _)| choice == paths);
            if choices.len() < MAX_PATH_CHOICES && is_new {
                let cache = self.get(paths).unwrap_or_else(|| Arc::new(make(paths)));
                choices.push((Arc::clone(paths), cache));
            }
        }
        self.0.store(Arc::new(choices));
    }
}

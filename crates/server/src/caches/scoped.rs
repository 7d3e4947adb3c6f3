//! Tokens that show only a part of a cache: for each choice of paths there is a view of its own.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rns_cache::Pattern;

use crate::caches::registry::Cache;

/// Choices of paths that the tokens of one cache can have.
pub(crate) const MOST: usize = 64;

/// The views for the choices that tokens make.
#[derive(Default)]
pub(crate) struct ScopedCaches(ArcSwap<Vec<Choice>>);

/// Patterns of names, and the view that shows only these paths and what they refer to.
type Choice = (Arc<[Pattern]>, Arc<Cache>);

impl ScopedCaches {
    /// The view for a choice; `None` when no token makes it.
    pub(crate) fn get(&self, paths: &[Pattern]) -> Option<Arc<Cache>> {
        let choices = self.0.load();
        choices.iter().find(|(known, _)| **known == *paths).map(|(_, view)| Arc::clone(view))
    }

    /// Every view.
    pub(crate) fn all(&self) -> Vec<Arc<Cache>> {
        self.0.load().iter().map(|(_, view)| Arc::clone(view)).collect()
    }

    /// Makes the views that are missing and forgets those that are not named any more.
    pub(crate) fn keep<'a>(
        &self,
        named: impl Iterator<Item = &'a Arc<[Pattern]>>,
        make: impl Fn(&[Pattern]) -> Cache,
    ) {
        let mut choices: Vec<Choice> = Vec::new();
        for paths in named {
            if choices.len() < MOST && !choices.iter().any(|(known, _)| known == paths) {
                let view = self.get(paths).unwrap_or_else(|| Arc::new(make(paths)));
                choices.push((Arc::clone(paths), view));
            }
        }
        self.0.store(Arc::new(choices));
    }
}

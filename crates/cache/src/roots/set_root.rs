//! Setting a root, with the earlier revisions that go because of it.

use super::rooted_cache::{NewRoot, RootError, RootRevision, RootedCache};
use crate::Pusher;

/// A root that was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetRoot {
    /// Its new revision, or the newest one where that has the same paths.
    pub revision: RootRevision,
    /// The numbers of the earlier revisions that were let go, the newest first.
    pub let_go: Vec<u64>,
}

/// Sets a root, and finds out which earlier revisions go.
///
/// # Errors
/// When it cannot be set.
pub async fn set_root(
    roots: &dyn RootedCache,
    root: &NewRoot,
    pusher: &Pusher,
) -> Result<SetRoot, RootError> {
    let earlier = roots.root(&root.name).await?;
    let revision = roots.put_root(root, pusher).await?;
    let numbers = |revisions: &[RootRevision]| -> Vec<u64> {
        revisions.iter().map(|revision| revision.revision).collect()
    };
    // The root is set, even if the cache cannot be asked any more.
    let kept = roots.root(&root.name).await.map_or_else(|_| numbers(&earlier), |all| numbers(&all));
    let mut let_go = numbers(&earlier);
    let_go.retain(|number| *number != revision.revision && !kept.contains(number));
    Ok(SetRoot { revision, let_go })
}

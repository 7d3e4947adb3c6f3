//! Names of paths, connections and waiting requests.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::daemon::unrooted::Unrooted;

/// A store path in full.
pub(in crate::daemon) type FullPath = Arc<str>;

/// Where a download waits for a root.
pub(in crate::daemon) type RootReply = oneshot::Sender<Result<(), Unrooted>>;

/// Names a connection; never used twice, and growing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::daemon) struct ConnectionId(pub(in crate::daemon) u64);

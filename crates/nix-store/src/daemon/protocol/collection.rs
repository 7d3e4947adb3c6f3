//! Collecting garbage.

use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::{Connection, Operation};
use super::error::DaemonError;
use super::wire::{WireError, within};

/// Most paths that one collection removes.
const MAX_COLLECTED: u64 = 1 << 26;

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Has the daemon remove paths that no root keeps, until it has freed at least so many bytes or there are none. Returns the
    /// bytes that it has freed.
    ///
    /// The answer can take minutes, and as long as a collection of others.
    ///
    /// # Errors
    /// [`DaemonError::Refused`] when the daemon does not want to; after any other error the connection is of no more use.
    pub async fn collect_garbage(&mut self, bytes: u64) -> Result<u64, DaemonError> {
        const DELETE_DEAD: u64 = 2;
        let request = Operation::CollectGarbage
            .request()
            .number(DELETE_DEAD)
            .strings::<&str>(&[])
            .number(false.into()) // not the live paths
            .number(bytes)
            // Settings that have no meaning any more.
            .number(0)
            .number(0)
            .number(0);
        self.call(&request, async |answer| {
            let removed = within("a list of paths", answer.number().await?, MAX_COLLECTED)?;
            for _ in 0..removed {
                answer.skip_string().await?;
            }
            let freed = answer.number().await?;
            let _obsolete = answer.number().await?;
            Ok::<_, WireError>(freed)
        })
        .await
    }
}

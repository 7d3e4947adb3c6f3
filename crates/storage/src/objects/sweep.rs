//! Unfinished uploads of killed servers and clients: removed when they are old.

use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt as _;
use tokio::task::spawn_blocking;

use super::{ObjectError, Objects, key::INCOMING, staging};

impl Objects {
    /// Removes unfinished uploads that are older than `grace`, and says how many: files of killed writers in a directory; in a
    /// bucket uploads in parts that were never ended, and files that clients sent there themselves without a narinfo after it.
    ///
    /// # Errors
    /// `Directory`, `Unavailable`.
    pub async fn sweep(&self, grace: Duration) -> Result<u64, ObjectError> {
        let Some(directory) = self.directory() else { return self.sweep_bucket(grace).await };
        let (directory, path) = (directory.to_path_buf(), directory.to_path_buf());
        let swept = spawn_blocking(move || staging::sweep(&directory, grace)).await;
        let swept = swept.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        swept.map_err(|source| ObjectError::Directory { doing: "tidy up", path, source })
    }

    async fn sweep_bucket(&self, grace: Duration) -> Result<u64, ObjectError> {
        let Some(newest) = SystemTime::now().checked_sub(grace) else { return Ok(0) };
        let mut listed = self.list(Some(INCOMING));
        let mut removed = 0;
        while let Some((key, info)) = listed.try_next().await? {
            if info.modified <= newest {
                self.delete(&key).await?;
                removed += 1;
            }
        }
        if let Some(multiparts) = &self.multiparts {
            // Nothing else is written in parts.
            let prefix = if self.prefix.is_empty() {
                "nar/".to_owned()
            } else {
                format!("{}/nar/", self.prefix)
            };
            match multiparts.abort(&prefix, newest).await {
                Ok(aborted) => removed += aborted,
                Err(error) => {
                    tracing::warn!("unfinished uploads stay behind in the bucket: {error}")
                }
            }
        }
        Ok(removed)
    }

    /// The same on a thread of its own, which outlives the runtime that asks for it.
    pub fn sweep_in_background(&self, grace: Duration) {
        let objects = self.clone();
        let sweep = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let swept = runtime.map(|runtime| runtime.block_on(objects.sweep(grace)));
            match swept {
                Ok(Ok(0)) => {}
                Ok(Ok(count)) => tracing::info!(
                    "unfinished files of killed servers and clients removed: {count}"
                ),
                Ok(Err(error)) => tracing::warn!("unfinished files stay behind: {error}"),
                Err(error) => tracing::warn!("unfinished files stay behind: {error}"),
            }
        };
        if let Err(error) = std::thread::Builder::new().name("sweep".to_owned()).spawn(sweep) {
            tracing::warn!("unfinished files stay behind: {error}");
        }
    }
}

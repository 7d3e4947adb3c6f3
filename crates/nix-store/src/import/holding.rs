//! Many paths held at once.

use std::collections::HashSet;

use rns_cache::CacheError;
use rns_formats::{HashPart, StorePath};

use super::{
    daemon_link::HoldingConnection,
    imports::{Imports, unavailable},
};

/// Paths that no collection takes while this is there.
pub(super) struct HeldPaths<'a> {
    /// Those of them that are valid.
    pub(super) valid: HashSet<HashPart>,
    _connection: Option<HoldingConnection<'a>>,
}

impl Imports {
    /// Holds paths, and then looks which of them are valid.
    ///
    /// # Errors
    /// When the daemon cannot be asked.
    pub(super) async fn hold_all(&self, paths: &[StorePath]) -> Result<HeldPaths<'_>, CacheError> {
        let (store_dir, mut valid) = (self.store.store_dir(), HashSet::new());
        let mut connection = None;
        for path in paths {
            let full = store_dir.print(path);
            let unavailable = |error| unavailable(path, &error);
            let held = match connection.as_mut() {
                None => {
                    connection.insert(self.questions.holding(&full).await.map_err(unavailable)?)
                }
                Some(held) => {
                    held.daemon().add_temp_root(&full).await.map_err(unavailable)?;
                    held
                }
            };
            if held.daemon().is_valid_path(&full).await.map_err(unavailable)? {
                valid.insert(path.hash_part());
            }
        }
        Ok(HeldPaths { valid, _connection: connection })
    }
}

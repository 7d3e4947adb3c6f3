//! Looking up what is registered of a path.

use std::sync::Arc;

use rns_formats::{HashPart, PathInfo};

use crate::{
    LocalStore, StoreError,
    db::{PathRow, path_by_hash_part},
    nar::{self, LayoutKey},
};

impl LocalStore {
    /// What is registered of the valid path with this hash part. `None` when there is no such path, or
    /// when its files are known to be gone.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read; `BadRow` when its row makes no sense.
    pub async fn path_info(&self, hash: HashPart) -> Result<Option<Arc<PathInfo>>, StoreError> {
        self.path_info_at(hash, self.generation()).await
    }

    /// The same for a caller who has just asked for the generation.
    ///
    /// # Errors
    /// As [`Self::path_info`].
    pub async fn path_info_at(
        &self,
        hash: HashPart,
        generation: u64,
    ) -> Result<Option<Arc<PathInfo>>, StoreError> {
        let Some(row) = self.shown_row(hash, generation, false).await? else { return Ok(None) };
        if row.info.nar_size != 0 {
            return Ok(Some(Arc::clone(&row.info)));
        }
        // A row of a very old Nix has no size; clients insist on one.
        let nar = self.open_nar(&row).await?;
        Ok(nar.map(|nar| nar.info))
    }

    /// The row of a path that may be shown, from memory if it was looked up before and the database is in the same state now: a
    /// client that asks for a NAR has just asked for its narinfo.
    pub(crate) async fn known_row(
        &self,
        hash: HashPart,
    ) -> Result<Option<Arc<PathRow>>, StoreError> {
        self.shown_row(hash, self.generation(), true).await
    }

    /// The same for a path that was shown before.
    pub(crate) async fn any_known_row(
        &self,
        hash: HashPart,
    ) -> Result<Option<Arc<PathRow>>, StoreError> {
        self.any_row(hash, self.generation(), true).await
    }

    /// The row of a path, whether or not it may be shown. `recent` allows one from memory.
    pub(crate) async fn any_row(
        &self,
        hash: HashPart,
        generation: u64,
        recent: bool,
    ) -> Result<Option<Arc<PathRow>>, StoreError> {
        if !recent {
            return Ok(self.row(hash, generation).await?.map(Arc::new));
        }
        if let Some(row) = self.shared().rows.get(&hash, generation) {
            let damaged = self.shared().condition.is_damaged(&LayoutKey { hash, row: row.id });
            return Ok((!damaged).then_some(row));
        }
        let row = self.row(hash, generation).await?.map(Arc::new);
        if let Some(row) = &row {
            self.shared().rows.insert(hash, generation, Arc::clone(row));
        }
        Ok(row)
    }

    /// The row of a valid path whose files are there. The generation is the present one.
    async fn row(&self, hash: HashPart, generation: u64) -> Result<Option<PathRow>, StoreError> {
        if self.is_surely_absent(hash, generation) {
            return Ok(None);
        }
        let config = &self.shared().config;
        let (store_dir, real_dir) = (config.store_dir.clone(), config.real_dir.clone());
        let found = self
            .shared()
            .database
            .ask(move |connection| {
                let row = path_by_hash_part(connection, &store_dir, hash)?;
                let missing = match &row {
                    Some(Ok(row)) => real_dir.join(row.info.path.as_str()).symlink_metadata().err(),
                    _ => None,
                };
                Ok(row.map(|row| (row, missing)))
            })
            .await?
            .flatten();
        let Some((row, missing)) = found else {
            self.learn_paths();
            return Ok(None);
        };
        let row = row?;
        let key = LayoutKey { hash, row: row.id };
        if let Some(source) = missing {
            let path = config.real_dir.join(row.info.path.as_str());
            let error =
                nar::of_path(&row.info.path, StoreError::Io { doing: "find", path, source });
            return self.shared().absent(key, error);
        }
        Ok((!self.shared().condition.is_damaged(&key)).then_some(row))
    }
}

//! Looking up what is registered of a path.

use std::sync::Arc;

use rns_formats::{HashPart, PathInfo};

use crate::{
    LocalStore, StoreError,
    db::{PathRow, Witness, path_by_hash_part},
    nar::{self, LayoutKey},
};

/// What is known of a path.
#[derive(Clone, Debug)]
pub struct Known {
    /// What is registered of it.
    pub info: Arc<PathInfo>,
    /// What tells later whether that is unchanged.
    pub witness: Option<Witness>,
}

/// Why a path is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It was not looked up before, or not lately.
    New,
    /// It was, but the database has changed since. It is worth finding out how that can be told without looking.
    Again,
}

/// Where a row is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// In memory, if the row is unchanged since it was looked up before.
    Remembered,
    /// In the database.
    Anew(Doubt),
}

impl LocalStore {
    /// What is registered of the valid path with this hash part. `None` when there is no such path, or
    /// when its files are known to be gone.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read; `BadRow` when its row makes no sense.
    pub async fn path_info(&self, hash: HashPart) -> Result<Option<Arc<PathInfo>>, StoreError> {
        let known = self.path_info_at(hash, self.generation(), Doubt::New).await?;
        Ok(known.map(|known| known.info))
    }

    /// The same for a caller who has just asked for the generation.
    ///
    /// # Errors
    /// As [`Self::path_info`].
    pub async fn path_info_at(
        &self,
        hash: HashPart,
        generation: u64,
        doubt: Doubt,
    ) -> Result<Option<Known>, StoreError> {
        let doubt = if self.is_restricted() { Doubt::New } else { doubt };
        let row = self.shown_row(hash, generation, Lookup::Anew(doubt)).await?;
        let Some(row) = row else { return Ok(None) };
        let witness = row.witness.clone();
        if row.info.nar_size != 0 {
            return Ok(Some(Known { info: Arc::clone(&row.info), witness }));
        }
        // A row of a very old Nix has no size; clients insist on one.
        let nar = self.open_nar(&row).await?;
        Ok(nar.map(|nar| Known { info: nar.info, witness }))
    }

    /// Whether it is certain that what was read in one generation is unchanged in another, which is the present one: then
    /// the witness for the next time. Never waits. Of what a policy shows nothing is certain: it may depend on other rows.
    #[must_use]
    pub fn still_holds(&self, witness: &Witness, since: u64, now: u64) -> Option<Witness> {
        if self.is_restricted() {
            return None;
        }
        self.shared().database.still_holds(witness, since, now)
    }

    /// The row of a path that may be shown, from memory if it was looked up before and the database is in the same state now: a
    /// client that asks for a NAR has just asked for its narinfo.
    pub(crate) async fn known_row(
        &self,
        hash: HashPart,
    ) -> Result<Option<Arc<PathRow>>, StoreError> {
        self.shown_row(hash, self.generation(), Lookup::Remembered).await
    }

    /// The same where nothing has to be waited for. `None` says nothing, and is all there is where not everything is exposed.
    pub(crate) fn row_at_hand(&self, hash: HashPart) -> Option<Arc<PathRow>> {
        if self.is_restricted() {
            return None;
        }
        let (generation, shared) = (self.generation(), self.shared());
        let still =
            |witness: &Witness, since| shared.database.still_holds(witness, since, generation);
        let row = shared.rows.get(&hash, generation, still)?;
        let is_damaged = shared.condition.is_damaged(&LayoutKey { hash, row: row.id });
        (!is_damaged).then_some(row)
    }

    /// The same for a path that was shown before.
    pub(crate) async fn any_known_row(
        &self,
        hash: HashPart,
    ) -> Result<Option<Arc<PathRow>>, StoreError> {
        self.any_row(hash, self.generation(), Lookup::Remembered).await
    }

    /// The row of a path, whether or not it may be shown.
    pub(crate) async fn any_row(
        &self,
        hash: HashPart,
        generation: u64,
        lookup: Lookup,
    ) -> Result<Option<Arc<PathRow>>, StoreError> {
        if let Lookup::Anew(doubt) = lookup {
            return Ok(self.row(hash, generation, doubt).await?.map(Arc::new));
        }
        let (rows, database) = (&self.shared().rows, &self.shared().database);
        let still = |witness: &Witness, since| database.still_holds(witness, since, generation);
        if let Some(row) = rows.get(&hash, generation, still) {
            let damaged = self.shared().condition.is_damaged(&LayoutKey { hash, row: row.id });
            return Ok((!damaged).then_some(row));
        }
        let doubt = if rows.knows(&hash) { Doubt::Again } else { Doubt::New };
        let row = self.row(hash, generation, doubt).await?.map(Arc::new);
        if let Some(row) = &row {
            rows.insert(hash, generation, Arc::clone(row));
        }
        Ok(row)
    }

    /// The row of a valid path whose files are there. The generation is the present one.
    async fn row(
        &self,
        hash: HashPart,
        generation: u64,
        doubt: Doubt,
    ) -> Result<Option<PathRow>, StoreError> {
        if self.is_surely_absent(hash, generation) {
            return Ok(None);
        }
        let config = &self.shared().config;
        let (store_dir, real_dir) = (config.store_dir.clone(), config.real_dir.clone());
        let database = self.shared().database.clone();
        let found = self
            .shared()
            .database
            .ask(move |connection| {
                let mut row = path_by_hash_part(connection, &store_dir, hash)?;
                if let (Some(Ok(row)), Doubt::Again) = (&mut row, doubt) {
                    row.witness = database.witness(connection, row.id, generation)?;
                }
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

//! Compressing NARs before anybody asks for them.

use std::sync::Arc;

use rns_formats::HashPart;
use rusqlite::{Connection, OptionalExtension as _};

use super::{Codec, encode_job, encode_progress::EncodeProgress};
use crate::{LocalStore, StoreError};

/// New paths that one question to the database takes.
const PAGE: i64 = 256;

const NEWEST: &str = "select coalesce(max(id), 0) from ValidPaths";

const PATH: &str = "select path from ValidPaths where id = ?1";

const AFTER: &str = "select id, path from ValidPaths where id > ?1 order by id limit ?2";

/// What became of a NAR that was to be compressed before anybody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warmed {
    /// It was compressed.
    Made,
    /// It was there, or somebody is at it.
    Known,
    /// There is no such path, or its NAR is not compressed here.
    Not,
    /// It would drive others out of the cache.
    NoRoom,
}

impl LocalStore {
    /// Compresses the NAR of a path, unless that was done before. It rests while `busy` says that requests are being
    /// answered; when somebody asks for this very NAR, it does not.
    ///
    /// # Errors
    /// As [`Self::path_info`].
    pub async fn warm(
        &self,
        hash: HashPart,
        codec: Codec,
        busy: &Arc<super::Busy>,
    ) -> Result<Warmed, StoreError> {
        let Some(cache) = &self.shared().nar_cache else { return Ok(Warmed::Not) };
        let Some(info) = self.path_info(hash).await? else { return Ok(Warmed::Not) };
        let recipe = cache.lane(codec).recipe().await?;
        let tag: Arc<str> = recipe.tag(&info.nar_hash).into();
        cache.ready().await;
        if cache.known(&tag).is_some() {
            return Ok(Warmed::Known);
        }
        if info.nar_size > cache.config.bytes {
            return Ok(Warmed::Not);
        }
        if !cache.has_room(info.nar_size) || cache.is_paused() {
            return Ok(Warmed::NoRoom);
        }
        let Some(nar) = self.nar(hash, Some(info.nar_hash)).await? else {
            return Ok(Warmed::Not);
        };
        let production = Arc::new(EncodeProgress::new());
        if !cache.begin(&tag, &production) {
            return Ok(Warmed::Known);
        }
        encode_job::run(encode_job::Order {
            cache: Arc::clone(cache),
            store: self.clone(),
            nar,
            recipe,
            tag,
            production: Arc::clone(&production),
            busy: Some(Arc::clone(busy)),
        })
        .await;
        Ok(if production.ended().await { Warmed::Made } else { Warmed::Not })
    }

    /// Paths that were registered after the one with this number, up to 256, and the number of the last of them.
    /// `None` only asks for the number of the newest.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read.
    pub async fn registered_after(
        &self,
        row: Option<i64>,
    ) -> Result<(Vec<HashPart>, i64), StoreError> {
        let store_dir = self.store_dir().clone();
        let question = move |connection: &Connection| {
            let Some(after) = row else {
                let newest = connection.prepare_cached(NEWEST)?.query_row([], |row| row.get(0))?;
                return Ok((Vec::new(), newest));
            };
            let mut statement = connection.prepare_cached(AFTER)?;
            let mut rows = statement.query((after, PAGE))?;
            let (mut paths, mut last) = (Vec::new(), after);
            while let Some(row) = rows.next()? {
                last = row.get(0)?;
                let path = row.get_ref(1)?.as_str().ok();
                let path = path.and_then(|path| store_dir.parse_path(path).ok());
                paths.extend(path.map(|path| path.hash_part()));
            }
            Ok((paths, last))
        };
        let found = self.shared().database.ask(question).await?;
        Ok(found.unwrap_or_else(|| (Vec::new(), row.unwrap_or(0))))
    }

    /// All paths that a policy exposes; `None` without a policy, or while it is not known what that exposes.
    ///
    /// # Errors
    /// `Unavailable` while the database cannot be read.
    pub async fn exposed_paths(&self) -> Result<Option<Vec<HashPart>>, StoreError> {
        let Some(rows) = self.exposed_rows() else { return Ok(None) };
        let store_dir = self.store_dir().clone();
        let question = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(PATH)?;
            let mut paths = Vec::new();
            for row in &rows {
                let path: Option<String> =
                    statement.query_row([row], |row| row.get(0)).optional()?;
                let path = path.and_then(|path| store_dir.parse_path(&path).ok());
                paths.extend(path.map(|path| path.hash_part()));
            }
            Ok(paths)
        };
        self.shared().database.ask(question).await
    }
}

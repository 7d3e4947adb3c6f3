//! The index in PostgreSQL, for several servers that share one storage.

mod claims;
mod collection;
mod collector;
mod connections;
mod documents;
mod locks;
mod root_index;
mod roots;
mod rows;
mod schema;
mod snapshot;

use std::{fmt, str::FromStr as _, sync::Arc};

use async_trait::async_trait;
use deadpool_postgres::{Object, Pool};
use rns_cache::Pusher;
use rns_formats::HashPart;
use tokio::{sync::OnceCell, time::timeout};
use tokio_postgres::{Config, config::Host};

use self::{
    connections::{
        DATABASE_CONNECT_TIMEOUT, LOCK_TIMEOUT, MAX_ORDER_ATTEMPTS, ORDER_TIMEOUT, can_be_repeated,
        pool,
    },
    locks::AdvisoryLocks,
};
use super::{
    Exclusive, ImportedPath, Index, IndexError, IndexLock, IndexedNar, NarState, NewPath,
    PathState, PublishRefusal, Push,
    own_storage::{IndexOwner, OwnStorage, TRIED_PATHS},
    statements,
};
use crate::objects::{ObjectKey, StorageName};

/// The index in a PostgreSQL database. Clones share it.
#[derive(Clone)]
pub struct PostgresIndex {
    pool: Pool,
    locks: Arc<AdvisoryLocks>,
    database: Arc<str>,
    /// The storage that it must be of.
    storage: Option<Arc<OwnStorage>>,
    /// Whether this process has brought the schema up to date, and found that the index is of its storage.
    is_ready: Arc<OnceCell<()>>,
}

impl PostgresIndex {
    /// The index in the database that the URL names, such as `postgres:///cache?host=/run/postgresql`. It is connected to
    /// when it is first used.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn new(url: &str) -> Result<Self, IndexError> {
        let unusable = |why: String| IndexError::Unavailable { database: redacted(url), why };
        // The library's text may quote a part of the password.
        let mut config = Config::from_str(url)
            .map_err(|_| unusable("index.url cannot be read as a URL of PostgreSQL".to_owned()))?;
        config.connect_timeout(DATABASE_CONNECT_TIMEOUT);
        config.application_name("rust-nix-serve");
        config.tcp_user_timeout(ORDER_TIMEOUT);
        config.keepalives_idle(ORDER_TIMEOUT);
        let pool = |wait| pool(&config, wait).map_err(|error| unusable(error.to_string()));
        Ok(Self {
            pool: pool(DATABASE_CONNECT_TIMEOUT)?,
            locks: Arc::new(AdvisoryLocks::new(pool(LOCK_TIMEOUT)?, pool(LOCK_TIMEOUT)?)),
            database: redacted(url).into(),
            storage: None,
            is_ready: Arc::default(),
        })
    }

    /// The same, refused when it is first used if it is the index of another storage.
    #[must_use]
    pub fn owned_by(self, owner: IndexOwner<'_>) -> Self {
        let storage = OwnStorage::of(owner).map(Arc::new);
        Self { storage, is_ready: Arc::default(), ..self }
    }

    async fn client(&self) -> Result<Object, IndexError> {
        let mut client = self.pool.get().await.map_err(|error| self.unavailable(&error))?;
        self.is_ready.get_or_try_init(|| self.prepare(&mut client)).await?;
        Ok(client)
    }

    /// Brings the schema up to date, and checks that the index is of its storage.
    async fn prepare(&self, client: &mut Object) -> Result<(), IndexError> {
        schema::migrate(client, &self.database).await?;
        let Some(storage) = &self.storage else { return Ok(()) };
        let failed = |error: tokio_postgres::Error| self.unavailable(&error);
        let mut names = schema::storage_names(client).await.map_err(failed)?;
        if names.is_empty() {
            let paths = rows::published_after(client, None, TRIED_PATHS).await.map_err(failed)?;
            storage.check_paths(&paths, &self.database).await?;
            if !storage.claims() {
                return Ok(());
            }
            let claimed = schema::claim_for_storage(client, storage.name()).await;
            names = claimed.map_err(failed)?;
        }
        storage.check_names(&names, &self.database)
    }

    fn unavailable(&self, error: &dyn std::error::Error) -> IndexError {
        // The library says "db error" and keeps the database's own message behind it.
        let causes = std::iter::successors(Some(error), |error| error.source());
        let why = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        IndexError::Unavailable { database: self.database.to_string(), why }
    }
}

/// The database as it may be shown: user, host and name, by the parser that finds the password.
fn redacted(url: &str) -> String {
    let Ok(config) = Config::from_str(url) else { return "postgres".to_owned() };
    let user = config.get_user().map(|user| format!("{user}@")).unwrap_or_default();
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(directory) => directory.display().to_string(),
    });
    let hosts: Vec<String> = hosts.collect();
    format!("postgres://{user}{}/{}", hosts.join(","), config.get_dbname().unwrap_or_default())
}

impl fmt::Debug for PostgresIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresIndex({})", self.database)
    }
}

/// Runs an order as one transaction, again when the database could not carry it out now: every order can be repeated.
macro_rules! transact {
    ($self:ident, $transaction:ident => $work:expr) => {
        retried!($self, client => async {
            let $transaction = client.transaction().await?;
            let result = $work.await?;
            $transaction.commit().await?;
            Ok(result)
        })
    };
}

/// Asks a question, or runs an order of one statement.
macro_rules! ask {
    ($self:ident, $client:ident => $question:expr) => {
        retried!($self, $client => $question)
    };
}

macro_rules! retried {
    ($self:ident, $client:ident => $work:expr) => {{
        let mut attempt = 1;
        loop {
            #[allow(unused_mut, reason = "only transactions need it")]
            let mut $client = $self.client().await?;
            let done: Result<Result<_, tokio_postgres::Error>, _> =
                timeout(ORDER_TIMEOUT, $work).await;
            match done {
                Ok(Ok(result)) => break Ok(result),
                Ok(Err(error)) if attempt < MAX_ORDER_ATTEMPTS && can_be_repeated(&error) => {
                    // Other connections that are broken are found as quickly.
                    drop(Object::take($client));
                    attempt += 1;
                }
                Ok(Err(error)) => break Err($self.unavailable(&error)),
                Err(elapsed) => {
                    drop(Object::take($client));
                    break Err($self.unavailable(&elapsed));
                }
            }
        }
    }};
}

use {ask, retried, transact};

#[async_trait]
impl Index for PostgresIndex {
    async fn nar(&self, key: &ObjectKey) -> Result<Option<IndexedNar>, IndexError> {
        ask!(self, client => rows::nar(&client, key))
    }

    async fn put_nar(&self, key: &ObjectKey, nar: &IndexedNar) -> Result<(), IndexError> {
        ask!(self, client => rows::put_nar(&client, key, nar, super::types::now()))
    }

    async fn nar_state(&self, key: &ObjectKey) -> Result<Option<NarState>, IndexError> {
        ask!(self, client => rows::nar_state(&client, key))
    }

    async fn begin_nar(&self, key: &ObjectKey) -> Result<bool, IndexError> {
        ask!(self, client => claims::begin_nar(&client, key))
    }

    async fn keep_nar(&self, key: &ObjectKey) -> Result<bool, IndexError> {
        self.begin_nar(key).await
    }

    async fn touch_nar(&self, key: &ObjectKey) -> Result<bool, IndexError> {
        ask!(self, client => rows::touch_nar(&client, key))
    }

    async fn begin_publish(
        &self,
        path: &NewPath,
        pusher: Option<&Pusher>,
    ) -> Result<Option<PublishRefusal>, IndexError> {
        transact!(self, transaction => rows::begin_publish(&transaction, path, pusher))
    }

    async fn end_publish(
        &self,
        hash: &HashPart,
        pusher: Option<&Pusher>,
    ) -> Result<(), IndexError> {
        transact!(self, transaction => rows::end_publish(&transaction, hash, pusher))
    }

    async fn touch_path(&self, hash: &HashPart) -> Result<bool, IndexError> {
        ask!(self, client => rows::touch_path(&client, hash))
    }

    async fn states(&self, hashes: &[HashPart]) -> Result<Vec<Option<PathState>>, IndexError> {
        ask!(self, client => rows::states(&client, hashes))
    }

    async fn note_reads(&self, hashes: &[HashPart]) -> Result<(), IndexError> {
        ask!(self, client => rows::note_reads(&client, hashes))
    }

    async fn pushes(&self, hash: &HashPart) -> Result<Vec<Push>, IndexError> {
        ask!(self, client => rows::pushes(&client, hash))
    }

    async fn import(&self, paths: &[ImportedPath]) -> Result<Vec<HashPart>, IndexError> {
        transact!(self, transaction => rows::import(&transaction, paths))
    }

    async fn published_after(
        &self,
        after: Option<&HashPart>,
        limit: usize,
    ) -> Result<Vec<(HashPart, ObjectKey)>, IndexError> {
        ask!(self, client => rows::published_after(&client, after, limit))
    }

    async fn forget_path(&self, hash: &HashPart) -> Result<(), IndexError> {
        transact!(self, transaction => rows::forget_path(&transaction, hash))
    }

    async fn lock(&self, what: Exclusive<'_>) -> Result<IndexLock, IndexError> {
        let held = self.locks.lock(what).await.map_err(|error| self.unavailable(&error))?;
        Ok(IndexLock::new(held))
    }

    fn database(&self) -> String {
        self.database.to_string()
    }

    async fn add_storage_name(&self, name: &StorageName) -> Result<(), IndexError> {
        let statement = rows::sql(statements::ADD_STORAGE_NAME);
        ask!(self, client => async {
            client.execute(&statement, &[&name.as_str()]).await.map(|_| ())
        })
    }

    async fn check(&self) -> Result<(), IndexError> {
        ask!(self, client => async { client.simple_query("select 1").await.map(|_| ()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_in_no_message() {
        for url in [
            "postgres://me:s3cret@db.example.org/cache",
            "postgres://me:s3cret@db.example.org/cache?sslmode=disable",
            "postgres:///cache?host=/run/postgresql&password=s3cret",
            "host=/run user=me password=s3cret",
            "postgres://me:a/s3cret@db/cache",
            "postgres://me:a?s3cret@db/cache",
            "postgres://me:s3cret@db/cache?wrong=s3cret",
        ] {
            let shown = redacted(url);
            assert!(!shown.contains("s3cret"), "{shown}");
        }
        assert_eq!(redacted("postgres://me:x@db/cache"), "postgres://me@db/cache");
        assert_eq!(
            redacted("postgres:///cache?host=/run/postgresql"),
            "postgres:///run/postgresql/cache"
        );
    }
}

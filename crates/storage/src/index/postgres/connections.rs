//! Connections to the database, and how long they are waited for.

use std::time::Duration;

use deadpool_postgres::{Hook, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use tokio::time::timeout;
use tokio_postgres::{Config, NoTls};

/// Connections of one server.
const MAX_CONNECTIONS: usize = 8;

/// How long an order waits for a connection, and for one to come up.
pub(super) const DATABASE_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one order may take, after it has a connection.
pub(super) const ORDER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a path or NAR is waited for that another server changes.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// How often an order is tried: once for each connection that may have broken together, and once more.
pub(super) const MAX_ORDER_ATTEMPTS: usize = MAX_CONNECTIONS + 1;

/// Statements take milliseconds here. To compile one, or to start processes for it, takes longer, and would be done for each page
/// of a collection.
const SESSION_SETTINGS: [&str; 2] = ["set jit = off", "set max_parallel_workers_per_gather = 0"];

/// Connections to the database; `wait`: how long one is waited for.
pub(super) fn pool(config: &Config, wait: Duration) -> Result<Pool, deadpool_postgres::BuildError> {
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let timeouts = Timeouts {
        wait: Some(wait),
        create: Some(DATABASE_CONNECT_TIMEOUT),
        recycle: Some(DATABASE_CONNECT_TIMEOUT),
    };
    Pool::builder(Manager::from_config(config.clone(), NoTls, recycling))
        .max_size(MAX_CONNECTIONS)
        .timeouts(timeouts)
        .runtime(Runtime::Tokio1)
        .post_create(Hook::async_fn(|client, _| {
            Box::pin(async move {
                for setting in SESSION_SETTINGS {
                    // A database that does not know one does without. One that does not answer is noticed by the first order.
                    _ = timeout(DATABASE_CONNECT_TIMEOUT, client.batch_execute(setting)).await;
                }
                Ok(())
            })
        }))
        .build()
}

/// Whether the database failed for a reason that may be gone: a lost connection, a restart, a deadlock.
pub(super) fn can_be_repeated(error: &tokio_postgres::Error) -> bool {
    error.is_closed()
        || error.code().is_some_and(|code| {
            let code = code.code();
            code.starts_with("40") || code.starts_with("57P") || code.starts_with("08")
        })
}

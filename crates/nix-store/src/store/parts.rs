//! The parts of a store that all questions share: its database, its files, and the memories of both.

use std::sync::Arc;

use rns_formats::StoreDir;

use crate::{
    StoreConfig,
    daemon::{DaemonConfig, TempRoots},
    db::Database,
    file_io::nonblocking_io::NonblockingIo,
    nar::Layouts,
    store::{path_health::PathHealth, store_presence::StorePresence},
};

/// A store as the questions see it.
pub(crate) struct StoreParts {
    pub(crate) config: StoreConfig,
    pub(crate) database: Database,
    pub(crate) layouts: Layouts,
    pub(crate) presence: Arc<StorePresence>,
    pub(crate) health: Arc<PathHealth>,
    pub(crate) roots: TempRoots,
    /// Whether files of store paths can be read without waiting.
    pub(crate) nonblocking_io: Arc<NonblockingIo>,
}

impl StoreParts {
    /// Nothing is opened yet.
    pub(crate) fn new(config: StoreConfig) -> Self {
        let roots = match &config.daemon_socket {
            Some(socket) => TempRoots::new(DaemonConfig {
                connections: config.daemon_connections,
                deadline: config.temp_root_wait,
                ..DaemonConfig::new(socket)
            }),
            None => TempRoots::disabled(),
        };
        let database = Database::new(
            config.database.clone(),
            config.readers,
            config.busy_timeout,
            config.absent,
        );
        let presence = Arc::new(StorePresence::new(
            database.clone(),
            config.store_dir.clone(),
            config.real_dir.clone(),
        ));
        Self {
            database,
            layouts: Layouts::new(config.layout_cache_bytes),
            health: Arc::new(PathHealth::new(Arc::clone(&presence))),
            presence,
            roots,
            nonblocking_io: Arc::default(),
            config,
        }
    }

    /// The logical store directory.
    pub(crate) const fn store_dir(&self) -> &StoreDir {
        &self.config.store_dir
    }
}

//! Whether the database has changed, without asking it at every request.
//!
//! SQLite counts the commits of others for each connection (`data_version`); asking costs about as much as a
//! lookup. One connection asks a few times a second, and looks whether the file is still the same one, which
//! that counter does not tell. What was derived from a row carries the generation that was read *before* the row,
//! and is checked again once the generation has moved on.

use std::{
    sync::{
        Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use super::{Shared, open::Reader};

/// How often the database is looked at.
const POLL: Duration = Duration::from_millis(100);

/// The number of the state that the database is in, as far as it has been noticed.
#[derive(Default)]
pub(super) struct Generation(AtomicU64);

impl Generation {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn advance(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// Watches until the database is dropped.
pub(super) fn start(shared: Weak<Shared>) {
    let watch = move || {
        let mut watched: Option<(Reader, i64)> = None;
        while let Some(shared) = shared.upgrade() {
            if look(&shared, &mut watched) {
                shared.generation.advance();
            }
            drop(shared);
            thread::sleep(POLL);
        }
    };
    if let Err(error) = thread::Builder::new().name("db-watch".into()).spawn(watch) {
        // The generation then stays 0, which nobody takes for a state that was checked.
        tracing::error!("cannot start the thread that watches the database: {error}");
    }
}

/// Whether there is something new, or no way to know.
fn look(shared: &Shared, watched: &mut Option<(Reader, i64)>) -> bool {
    if let Some((reader, seen)) = watched
        && reader.is_current()
        && let Ok(version) = version(reader)
    {
        return std::mem::replace(seen, version) != version;
    }
    *watched = Reader::open(&shared.path, shared.busy_timeout)
        .ok()
        .and_then(|reader| version(&reader).ok().map(|version| (reader, version)));
    true
}

fn version(reader: &Reader) -> rusqlite::Result<i64> {
    reader.connection.query_row("pragma data_version", [], |row| row.get(0))
}

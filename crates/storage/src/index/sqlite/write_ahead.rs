//! The write-ahead log of a SQLite file that several programs may make at the same time.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode};

/// The time between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(2);

/// Has the file written by way of a log from now on. Blocks.
///
/// SQLite changes to that alone and does not wait for others as it does with a statement: of two programs that open a new
/// file, one is told at once that it is locked.
///
/// # Errors
/// Those of SQLite; `DatabaseBusy` when others have held the file for so long.
pub fn use_write_ahead_log(
    connection: &Connection,
    busy_timeout: Duration,
) -> rusqlite::Result<()> {
    let end = Instant::now() + busy_timeout;
    loop {
        match connection.pragma_update(None, "journal_mode", "wal") {
            Err(error) if is_busy(&error) && Instant::now() < end => sleep(RETRY_INTERVAL),
            changed => return changed,
        }
    }
}

/// Whether others hold the file.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    #[test]
    fn a_new_file_that_many_open_gets_a_log_for_all_of_them() {
        const PROGRAMS: usize = 8;
        for _ in 0..20 {
            let directory = tempfile::tempdir().unwrap();
            let (file, together) = (directory.path().join("new.sqlite"), Barrier::new(PROGRAMS));
            let open = || {
                let connection = Connection::open(&file).unwrap();
                let timeout = Duration::from_secs(10);
                connection.busy_timeout(timeout).unwrap();
                together.wait();
                use_write_ahead_log(&connection, timeout).unwrap();
                connection.execute_batch("create table if not exists t (x)").unwrap();
            };
            thread::scope(|scope| {
                for _ in 0..PROGRAMS {
                    scope.spawn(open);
                }
            });
        }
    }
}

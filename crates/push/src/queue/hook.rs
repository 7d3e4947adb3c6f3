//! Paths that a hook adds while a build waits for it: with one short transaction, or as a file beside the queue where that would
//! have to wait.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
    time::{SystemTime, UNIX_EPOCH},
};

use rns_formats::StorePath;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::{
    error::QueueError,
    owner::become_owner,
    schema::{self, now},
};

/// The most files beside a queue. Each is of one hook that found the queue locked.
const MAX_FILES: usize = 10_000;

/// The largest such file, in bytes.
const MAX_HOOK_FILE_BYTES: u64 = 1 << 20;

/// The most paths in such a file, all of which fit whatever their names: more than the outputs of a derivation.
const MAX_HOOK_FILE_PATHS: usize = 4_000;

/// The beginning of the names of files that are still being written.
const UNFINISHED_PREFIX: &str = ".";

/// Adds paths to the queue in this file; it is made if it is not there. Root becomes the user whose queue it is. A path that
/// waits already is tried soon. Waits for hundredths of a second at most: while another program holds the queue, the paths are
/// left beside it.
///
/// # Errors
/// When neither can be written, or the queue is full.
pub fn add_from_hook(file: &Path, paths: &[StorePath]) -> Result<(), QueueError> {
    let failed = |source| QueueError::Io { file: file.to_owned(), source };
    become_owner(file).map_err(failed)?;
    let added = schema::open_for_hook(file).and_then(|mut queue| insert(&mut queue, file, paths));
    match added {
        Err(QueueError::Database { source, .. }) if is_locked(&source) => {
            leave(file, paths).map_err(failed)
        }
        other => other,
    }
}

fn insert(queue: &mut Connection, file: &Path, paths: &[StorePath]) -> Result<(), QueueError> {
    let failed = |source| QueueError::Database { file: file.to_owned(), source };
    let transaction =
        queue.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    if schema::is_full(&transaction).map_err(failed)? {
        return Err(QueueError::Full { file: file.to_owned() });
    }
    let insert = "insert into Paths (path, added) values (?1, ?2) \
                  on conflict (path) do update set nextTry = 0";
    let mut statement = transaction.prepare(insert).map_err(failed)?;
    for path in paths {
        statement.execute((path.as_str(), now())).map_err(failed)?;
    }
    drop(statement);
    transaction.commit().map_err(failed)
}

fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// The directory of the files beside a queue.
fn directory(file: &Path) -> PathBuf {
    file.with_extension("added")
}

/// Leaves paths beside the queue, one a line, as files that appear at once.
fn leave(file: &Path, paths: &[StorePath]) -> io::Result<()> {
    let directory = directory(file);
    match fs::create_dir(&directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if fs::read_dir(&directory)?.count() >= MAX_FILES {
        return Err(io::Error::other("too many paths wait for it"));
    }
    let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let mut files = (0..).zip(paths.chunks(MAX_HOOK_FILE_PATHS));
    files.try_for_each(|(number, paths)| {
        leave_file(&directory, &format!("{moment}-{}-{number}", process::id()), paths)
    })
}

fn leave_file(directory: &Path, name: &str, paths: &[StorePath]) -> io::Result<()> {
    let unfinished = directory.join(format!("{UNFINISHED_PREFIX}{name}"));
    let text: String = paths.iter().map(|path| format!("{path}\n")).collect();
    let left =
        fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, directory.join(name)));
    if left.is_err() {
        _ = fs::remove_file(&unfinished);
    }
    left
}

/// The paths that hooks have left beside a queue, with the files that are removed when these are added.
pub(super) fn left(file: &Path) -> io::Result<(Vec<StorePath>, Vec<PathBuf>)> {
    let entries = match fs::read_dir(directory(file)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
        entries => entries?,
    };
    let (mut paths, mut files) = (Vec::new(), Vec::new());
    for entry in entries.take(MAX_FILES) {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED_PREFIX) {
            continue;
        }
        match text_of(&entry) {
            Ok(text) => {
                paths.extend(text.lines().filter_map(|line| StorePath::parse(line).ok()));
                files.push(entry.path());
            }
            // Another program has taken it in.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok((paths, files))
}

/// The contents of such a file; one that no hook has left has none.
fn text_of(entry: &fs::DirEntry) -> io::Result<String> {
    if entry.metadata()?.len() > MAX_HOOK_FILE_BYTES {
        return Ok(String::new());
    }
    fs::read_to_string(entry.path())
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;
    use crate::queue::Queue;

    fn path(number: usize) -> StorePath {
        StorePath::parse(&format!("{number:032}-x")).unwrap()
    }

    #[test]
    fn a_locked_queue_holds_up_no_hook_and_loses_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("queue.sqlite");
        add_from_hook(&file, &[path(1)]).unwrap();
        let other = Connection::open(&file).unwrap();
        other.execute_batch("begin immediate").unwrap();
        add_from_hook(&file, &[path(2), path(3)]).unwrap();
        add_from_hook(&file, &[path(1)]).unwrap();
        assert_eq!(fs::read_dir(scratch.path().join("queue.added")).unwrap().count(), 2);
        other.execute_batch("rollback").unwrap();
        let queue = Queue::open(&file).unwrap();
        assert_eq!(queue.status().unwrap().waiting, 3);
        assert_eq!(fs::read_dir(scratch.path().join("queue.added")).unwrap().count(), 0);
    }

    #[test]
    fn any_number_of_paths_is_left() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("queue.sqlite");
        let name = |number: usize| format!("{number:032}-{}", "x".repeat(211));
        let paths: Vec<_> =
            (0..9_000).map(|number| StorePath::parse(&name(number)).unwrap()).collect();
        leave(&file, &paths).unwrap();
        assert_eq!(left(&file).unwrap().0.len(), paths.len());
    }

    #[test]
    fn many_hooks_at_once_add_everything_once() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("below/queue.sqlite");
        thread::scope(|scope| {
            for hook in 0..16 {
                let file = &file;
                scope.spawn(move || {
                    for number in 0..10 {
                        // Every path is added by two of them.
                        add_from_hook(file, &[path(hook / 2 * 100 + number)]).unwrap();
                    }
                });
            }
            // Others take in the paths that are left beside it, meanwhile.
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        Queue::open(&file).unwrap().is_due().unwrap();
                        thread::sleep(Duration::from_millis(1));
                    }
                });
            }
        });
        assert_eq!(Queue::open(&file).unwrap().status().unwrap().waiting, 80);
    }

    #[test]
    fn several_programs_take_in_the_same_files() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("queue.sqlite");
        add_from_hook(&file, &[path(0)]).unwrap();
        for number in 1..200 {
            leave(&file, &[path(number)]).unwrap();
        }
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| Queue::open(&file).unwrap().status().unwrap());
            }
        });
        assert_eq!(Queue::open(&file).unwrap().status().unwrap().waiting, 200);
    }
}

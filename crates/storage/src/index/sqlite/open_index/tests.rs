//! The orders of a process that is killed, and of others beside it.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::PathBuf,
};

use rns_cache::Pusher;
use rns_formats::{HashPart, Sha256Digest, StorePath};

use super::{
    super::orders::{BeginPublish, EndPublish, EnterNewNar},
    *,
};
use crate::{
    index::{IndexedNar, NewPath, PathState, Push},
    objects::ObjectKey,
};

fn path(name: &str) -> StorePath {
    let digest = Sha256Digest::of(name.as_bytes()).to_nix32();
    StorePath::parse(&format!("{}-{name}", digest.get(..32).unwrap())).unwrap()
}

fn pusher() -> Pusher {
    Pusher { name: "token \"ci\"\n".to_owned(), address: Some("::1".to_owned()) }
}

impl OpenIndex {
    /// Stores a NAR and begins to publish its path.
    fn begin_push(&mut self, name: &str, references: &[&str]) {
        let (key, digest) = (ObjectKey::listed(&format!("nar/{name}.nar")), Sha256Digest::of(b""));
        let nar = IndexedNar { file_hash: digest, file_size: 0, nar_hash: digest, nar_size: 0 };
        assert!(self.order(&EnterNewNar { key: key.clone(), nar }).unwrap());
        let path = NewPath {
            path: path(name),
            nar: key,
            nar_size: 0,
            file_size: 0,
            references: references.iter().map(|name| path(name)).collect(),
            deriver: Some(path("deriver.drv")),
            elsewhere: vec![path("elsewhere").hash_part()],
        };
        let begun = self.order(&BeginPublish { path, pusher: Some(pusher()) }).unwrap();
        assert_eq!(begun, None);
    }

    fn end_push(&mut self, name: &str) {
        let hash = path(name).hash_part();
        self.order(&EndPublish { hash, pusher: Some(pusher()) }).unwrap();
    }

    fn state(&self, name: &str) -> Option<PathState> {
        rows::state(&self.connection, &path(name).hash_part()).unwrap()
    }

    fn pushes(&self, name: &str) -> Vec<Push> {
        rows::pushes(&self.connection, &path(name).hash_part()).unwrap()
    }

    /// The end of the connection, and of its locks, when its process is killed.
    fn kill(mut self) {
        self.is_in_transaction = false;
    }
}

/// The file of an index whose process was killed after it had published one path and begun another one.
fn of_killed() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("index.sqlite");
    let mut killed = OpenIndex::open(&file, false).unwrap();
    killed.begin_push("one", &["elsewhere"]);
    killed.end_push("one");
    killed.begin_push("two", &["one"]);
    killed.kill();
    (directory, file)
}

#[test]
fn orders_of_a_killed_process_are_carried_out_again() {
    let (_directory, file) = of_killed();
    // Each of them is the next process.
    for sync in [true, false] {
        let open = OpenIndex::open(&file, sync).unwrap();
        assert_eq!(open.state("one"), Some(PathState::Published));
        assert_eq!(open.state("two"), Some(PathState::Publishing));
        assert_eq!(open.state("elsewhere"), Some(PathState::Elsewhere));
        for (name, is_confirmed) in [("one", true), ("two", false)] {
            let pushes = open.pushes(name);
            assert_eq!(pushes.len(), 1);
            assert_eq!(pushes[0].pusher, pusher());
            assert_eq!(pushes[0].is_confirmed, is_confirmed);
        }
    }
}

#[test]
fn they_are_carried_out_before_any_order_of_a_process_that_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("index.sqlite");
    let mut other = OpenIndex::open(&file, true).unwrap();
    for number in 0..3 {
        let mut killed = OpenIndex::open(&file, false).unwrap();
        let names = [format!("{number}-one"), format!("{number}-two")];
        names.iter().for_each(|name| killed.begin_push(name, &[]));
        killed.kill();
        let state = other.transact(Durability::Later, |connection| {
            rows::state(connection, &path(&names[1]).hash_part())
        });
        assert_eq!(state.unwrap(), Some(PathState::Publishing));
        other.commit().unwrap();
    }
}

#[test]
fn a_frame_that_is_not_whole_and_all_after_it_are_left_out() {
    let (_directory, file) = of_killed();
    let log = RedoLog::beside(&file).path();
    let length = fs::metadata(&log).unwrap().len();
    File::options().write(true).open(&log).unwrap().set_len(length - 1).unwrap();
    let open = OpenIndex::open(&file, false).unwrap();
    // The NAR of the second path was noted with it.
    assert_eq!(open.state("one"), Some(PathState::Publishing));
    assert_eq!(open.state("two"), None);
}

#[test]
fn an_older_log_and_that_of_another_index_mean_nothing() {
    let (directory, file) = of_killed();
    let log = RedoLog::beside(&file).path();
    let older = fs::read(&log).unwrap();
    let mut open = OpenIndex::open(&file, false).unwrap();
    let forgotten: [HashPart; 2] = [path("one").hash_part(), path("two").hash_part()];
    open.transact(Durability::Now, |connection| {
        forgotten.iter().try_for_each(|hash| rows::forget_path(connection, hash))
    })
    .unwrap();
    drop(open);
    fs::write(&log, &older).unwrap();
    let open = OpenIndex::open(&file, false).unwrap();
    assert_ne!(open.state("one"), Some(PathState::Published));
    let other = directory.path().join("other.sqlite");
    fs::write(RedoLog::beside(&other).path(), &older).unwrap();
    assert_eq!(OpenIndex::open(&other, false).unwrap().state("one"), None);
}

#[test]
fn what_cannot_be_logged_is_committed() {
    let directory = tempfile::tempdir().unwrap();
    for (name, sync) in [("full", false), ("synced", true)] {
        let file = directory.path().join(format!("{name}.sqlite"));
        if !sync {
            symlink("/dev/full", RedoLog::beside(&file).path()).unwrap();
        }
        let mut open = OpenIndex::open(&file, sync).unwrap();
        open.begin_push("one", &[]);
        assert!(!open.is_in_transaction);
        open.begin_push("two", &[]);
        open.kill();
        let open = OpenIndex::open(&file, sync).unwrap();
        assert_eq!(open.state("two"), Some(PathState::Publishing), "{name}");
    }
}

#[test]
fn what_sqlite_has_rolled_back_is_carried_out_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("index.sqlite");
    let mut open = OpenIndex::open(&file, false).unwrap();
    open.begin_push("one", &[]);
    // As it does itself when a disk fails.
    open.connection.execute_batch("rollback").unwrap();
    assert!(open.transact(Durability::Later, |_| Ok(())).is_err());
    drop(open);
    let open = OpenIndex::open(&file, false).unwrap();
    assert_eq!(open.state("one"), Some(PathState::Publishing));
}

#[test]
fn older_frames_behind_a_new_one_mean_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("index.sqlite");
    let mut open = OpenIndex::open(&file, false).unwrap();
    open.begin_push("one", &[]);
    open.begin_push("two", &[]);
    open.commit().unwrap();
    open.begin_push("six", &[]);
    open.commit().unwrap();
    // An older state of the index, as after a power loss.
    open.connection
        .execute_batch("delete from pushes; delete from paths; delete from nars; update redo set committed = 0")
        .unwrap();
    // Its frame has the length and the number of the older one.
    open.begin_push("new", &[]);
    open.kill();
    let open = OpenIndex::open(&file, false).unwrap();
    assert_eq!(open.state("new"), Some(PathState::Publishing));
    assert_eq!(open.state("two"), None);
}

#[test]
fn a_log_that_was_removed_or_moved_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("index.sqlite");
    let mut open = OpenIndex::open(&file, false).unwrap();
    let log = open.redo_log.path();
    open.begin_push("one", &[]);
    open.commit().unwrap();
    fs::remove_file(&log).unwrap();
    open.begin_push("two", &[]);
    open.commit().unwrap();
    fs::rename(&log, directory.path().join("elsewhere")).unwrap();
    open.begin_push("six", &[]);
    open.kill();
    let open = OpenIndex::open(&file, false).unwrap();
    for name in ["one", "two", "six"] {
        assert_eq!(open.state(name), Some(PathState::Publishing), "{name}");
    }
}

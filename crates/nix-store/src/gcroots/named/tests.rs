use std::{fs, num::NonZeroU32};

use super::*;
use rns_cache::{NewRoot, Pusher, RootLifetime};

fn path(name: &str) -> StorePath {
    StorePath::parse(&format!("zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9f{name}-x")).unwrap()
}

fn name(text: &str) -> RootName {
    RootName::parse(text).unwrap()
}

fn open(directory: &Path) -> NamedRoots {
    let roots = NamedRoots::new(directory, StoreDir::default());
    roots.open().unwrap();
    roots
}

fn set(roots: &NamedRoots, root: &str, paths: &[StorePath], (days, revisions): (u32, u32)) {
    let lifetime =
        RootLifetime { days: NonZeroU32::new(days), revisions: NonZeroU32::new(revisions) };
    let new = NewRoot { name: name(root), paths: Vec::new(), lifetime, label: None };
    let pusher = Pusher { name: "token ci".to_owned(), address: None };
    roots
        .set(&new.name, |known| new.next_revision(paths.to_vec(), lifetime, known, &pusher))
        .unwrap();
}

fn numbers(roots: &NamedRoots, root: &str) -> Vec<u64> {
    roots.get(&name(root)).unwrap().iter().map(|revision| revision.revision).collect()
}

#[test]
fn a_root_is_links_that_another_process_finds_with_their_document() {
    let directory = tempfile::tempdir().unwrap();
    let roots = open(directory.path());
    set(&roots, "a/b", &[path("1"), path("2")], (0, 2));
    set(&roots, "a", &[path("1")], (0, 1));
    set(&roots, "a/b", &[path("3")], (0, 2));
    let link = directory.path().join("named/a/b~1").join(path("2").as_str());
    assert_eq!(fs::read_link(&link).unwrap(), Path::new(&StoreDir::default().print(&path("2"))));
    let other = open(directory.path());
    assert_eq!(other.names(None).unwrap(), [name("a"), name("a/b")]);
    assert_eq!(other.names(Some(&name("a"))).unwrap(), [name("a/b")]);
    assert_eq!(numbers(&other, "a/b"), [2, 1]);
    assert_eq!(other.naming(&path("1").hash_part()).unwrap(), [name("a"), name("a/b")]);
    // A revision too many goes with its links, a root with its folder.
    set(&other, "a/b", &[path("4")], (0, 2));
    assert!(!link.exists() && !link.is_symlink() && !other.holds(&path("2").hash_part()));
    assert!(other.delete(&name("a/b")).unwrap() && !other.delete(&name("a/b")).unwrap());
    assert!(!directory.path().join("named/a").exists());
    assert!(other.holds(&path("1").hash_part()) && !other.holds(&path("4").hash_part()));
}

#[test]
fn what_an_order_left_that_was_cut_off_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    set(&open(directory.path()), "a", &[path("1")], (0, 1));
    let named = directory.path().join("named");
    fs::create_dir(named.join("a~2")).unwrap();
    fs::remove_dir_all(named.join("a~1")).unwrap();
    // Nothing is known of the paths of a document that cannot be read: its links stay.
    fs::create_dir(named.join("b~1")).unwrap();
    fs::write(named.join("b.json"), "{").unwrap();
    let roots = open(directory.path());
    fs::create_dir_all(named.join("c/d~1")).unwrap();
    roots.expire(SystemTime::now()).unwrap();
    assert!(named.join("c/d~1").exists(), "its document may be about to be written");
    roots.expire(SystemTime::now() + ORPHAN_GRACE * 2).unwrap();
    assert!(!named.join("c/d~1").exists());
    assert!(!named.join("a~2").exists() && named.join("b~1").exists());
    assert!(named.join("a~1").join(path("1").as_str()).is_symlink());
    assert_eq!(numbers(&roots, "b"), Vec::<u64>::new());
    set(&roots, "b", &[path("2")], (0, 1));
    assert_eq!(numbers(&roots, "b"), [1]);
}

#[test]
fn revisions_go_when_their_time_is_over() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let directory = tempfile::tempdir().unwrap();
    let roots = open(directory.path());
    set(&roots, "a", &[path("1")], (1, 3));
    set(&roots, "a", &[path("2")], (3, 3));
    set(&roots, "b", &[path("3")], (1, 1));
    assert_eq!(roots.expire(SystemTime::now()).unwrap(), 0);
    assert_eq!(roots.expire(SystemTime::now() + DAY * 2).unwrap(), 2);
    assert_eq!(numbers(&roots, "a"), [2]);
    assert_eq!(roots.names(None).unwrap(), [name("a")]);
    assert!(!roots.holds(&path("1").hash_part()) && roots.holds(&path("2").hash_part()));
}

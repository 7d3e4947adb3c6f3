use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn path(name: &str) -> StorePath {
    StorePath::parse(&format!("zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9f{name}-x")).unwrap()
}

fn roots(directory: &Path) -> GcRoots {
    let roots = GcRoots::new(directory.join("roots"), StoreDir::default());
    roots.open().unwrap();
    roots
}

#[test]
fn a_root_is_a_link_that_another_process_finds_with_its_time() {
    let directory = tempfile::tempdir().unwrap();
    let (one, ci) = (roots(directory.path()), RootGroup::pushed_by("ci"));
    let expires = UNIX_EPOCH + DAY * 30_000;
    one.set(&ci, &[path("1"), path("2")], expires).unwrap();
    // A shorter time takes nothing away.
    one.set(&ci, &[path("1")], UNIX_EPOCH + DAY * 20_000).unwrap();
    let link = directory.path().join("roots/pushed/ci").join(path("1").as_str());
    assert_eq!(fs::read_link(link).unwrap(), Path::new(&StoreDir::default().print(&path("1"))));
    let other = roots(directory.path());
    let mut found = other.list().unwrap();
    found.sort_by(|one, two| one.path.cmp(&two.path));
    let found = found.into_iter().map(|root| (root.group, root.path, root.expires));
    let root = |name| (ci.clone(), path(name), expires);
    assert_eq!(found.collect::<Vec<_>>(), [root("1"), root("2")]);
    assert!(other.holds(&path("1").hash_part()) && !other.holds(&path("3").hash_part()));
}

#[test]
fn what_has_expired_goes_and_what_was_renewed_stays() {
    let directory = tempfile::tempdir().unwrap();
    let (roots, ci) = (roots(directory.path()), RootGroup::pushed_by("ci"));
    let now = UNIX_EPOCH + DAY * 30_000;
    roots.set(&ci, &[path("1"), path("2")], now - DAY).unwrap();
    roots.set(&RootGroup::pushed_by("me"), &[path("3")], now - DAY).unwrap();
    roots.renew(&path("2"), &RootGroup::promised(), now + DAY).unwrap();
    roots.renew(&path("4"), &RootGroup::promised(), now + DAY).unwrap();
    let foreign = directory.path().join("roots/by-hand");
    symlink("/nix/store", &foreign).unwrap();
    // Links of the machine's build hook lie beside, and belong to the hook.
    let build = directory.path().join("roots/builds").join(path("5").as_str());
    fs::create_dir(build.parent().unwrap()).unwrap();
    symlink(StoreDir::default().print(&path("5")), &build).unwrap();
    let times = Timespec { tv_sec: 1, tv_nsec: 0 };
    let times = Timestamps { last_access: times, last_modification: times };
    utimensat(CWD, &build, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    assert_eq!(roots.expire(now).unwrap(), 2);
    let left: Vec<_> = roots.list().unwrap().into_iter().map(|root| root.path).collect();
    assert!(left.len() == 2 && left.contains(&path("2")) && left.contains(&path("4")));
    assert!(!roots.holds(&path("1").hash_part()) && roots.holds(&path("2").hash_part()));
    assert!(!directory.path().join("roots/pushed/me").exists() && foreign.is_symlink());
    assert!(build.is_symlink() && !self::roots(directory.path()).holds(&path("5").hash_part()));
    assert_eq!(roots.expire(now).unwrap(), 0);
}

#[test]
fn what_was_renewed_since_is_not_let_go_of() {
    let directory = tempfile::tempdir().unwrap();
    let (roots, ci) = (roots(directory.path()), RootGroup::pushed_by("ci"));
    let expires = SystemTime::now() + DAY;
    roots.set(&ci, &[path("1"), path("2"), path("3")], expires).unwrap();
    let since = roots.list().unwrap().iter().map(|root| root.renewed).max().unwrap();
    while roots.list().unwrap().iter().all(|root| root.renewed <= since) {
        // For less than before, and for now all the same.
        roots.set(&ci, &[path("2")], expires - DAY / 2).unwrap();
    }
    let two = [path("1").hash_part(), path("2").hash_part()].into();
    assert_eq!(roots.release_older(&two, since).unwrap(), 1);
    let mut left: Vec<_> = roots.list().unwrap().into_iter().collect();
    left.sort_by(|one, two| one.path.cmp(&two.path));
    let left: Vec<_> =
        left.into_iter().map(|root| (root.path, root.expires > expires - DAY / 2)).collect();
    assert_eq!(left, [(path("2"), true), (path("3"), true)]);
}

#[test]
fn a_path_is_let_go_of_in_all_groups() {
    let directory = tempfile::tempdir().unwrap();
    let roots = roots(directory.path());
    for pusher in ["one", "two"] {
        let expires = SystemTime::now() + DAY;
        roots.set(&RootGroup::pushed_by(pusher), &[path("1"), path("2")], expires).unwrap();
    }
    assert!(roots.release(&path("1").hash_part()).unwrap());
    assert!(!roots.release(&path("1").hash_part()).unwrap());
    assert_eq!(roots.list().unwrap().len(), 2);
}

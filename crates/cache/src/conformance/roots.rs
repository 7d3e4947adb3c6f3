//! Roots: set, replaced, listed, deleted, and the paths that they keep.

use std::{collections::BTreeSet, num::NonZeroU32, sync::Arc};

use async_trait::async_trait;
use rns_formats::{HashPart, RootLabel, RootName, StorePath};

use super::subject::nowhere;
use crate::{
    NewRoot, PublishError, Pusher, RootError, RootLifetime, RootPath, RootRevision, RootedCache,
    SetRoot, WritableCache,
};

/// A cache with roots under test. Its rules allow roots `pr/*` 7 days and 2 revisions.
#[async_trait]
pub trait RootedSubject: Send {
    /// The cache.
    fn cache(&self) -> Arc<dyn WritableCache>;

    /// Its paths, three or more. The second one refers to the first, and nothing else to another.
    fn paths(&self) -> Vec<StorePath>;

    /// Opens the cache anew, as another process does.
    async fn reopen(&mut self);

    /// Removes everything that no root keeps.
    async fn collect(&mut self);
}

/// Runs all tests of roots.
pub async fn check_roots(subject: &mut dyn RootedSubject) {
    let (cache, paths) = (subject.cache(), subject.paths());
    let [dep, top, other, ..] = paths.as_slice() else { panic!("three paths") };
    let roots = rooted(&*cache);
    a_root_is_set_and_told(roots, [dep, top]).await;
    revisions_follow_each_other(roots, [dep, top, other]).await;
    what_is_not_there_is_refused(roots, dep).await;
    rules_end_roots(roots, [dep, top, other]).await;
    sizes_are_told(roots, [dep, top]).await;
    subject.reopen().await;
    let cache = subject.cache();
    let roots = rooted(&*cache);
    assert_eq!(names(roots).await, ["a", "a/b", "main", "pr/1"], "after it was opened anew");
    assert_eq!(numbers(roots, "main").await, [4, 3, 2]);
    what_a_root_names_is_not_deleted(&*cache, top).await;
    for name in ["a", "main", "pr/1"] {
        assert!(
            roots.delete_root(&root_name(name)).await.unwrap_or_else(|error| panic!("{error}"))
        );
    }
    subject.collect().await;
    what_is_there(&*cache, &[(dep, true), (top, true), (other, false)]).await;
    assert!(matches!(roots.delete_root(&root_name("a/b")).await, Ok(true)));
    assert!(matches!(roots.delete_root(&root_name("a/b")).await, Ok(false)));
    assert_eq!(names(roots).await, Vec::<String>::new());
    subject.collect().await;
    what_is_there(&*cache, &[(dep, false), (top, false)]).await;
}

fn rooted(cache: &dyn WritableCache) -> &dyn RootedCache {
    cache.rooted().unwrap_or_else(|| panic!("it has roots"))
}

fn root_name(text: &str) -> RootName {
    RootName::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn pusher() -> Pusher {
    Pusher { name: "token ci".to_owned(), address: None }
}

fn new(name: &str, paths: &[&StorePath], (days, revisions): (u32, u32)) -> NewRoot {
    NewRoot {
        name: root_name(name),
        paths: paths.iter().map(|path| RootPath::Path((*path).clone())).collect(),
        lifetime: RootLifetime {
            days: NonZeroU32::new(days),
            revisions: NonZeroU32::new(revisions),
        },
        label: RootLabel::parse("a build").ok(),
    }
}

async fn put(roots: &dyn RootedCache, new: &NewRoot) -> RootRevision {
    set(roots, new).await.revision
}

async fn set(roots: &dyn RootedCache, new: &NewRoot) -> SetRoot {
    roots.put_root(new, &pusher()).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn numbers(roots: &dyn RootedCache, name: &str) -> Vec<u64> {
    let found = roots.root(&root_name(name)).await.unwrap_or_else(|error| panic!("{error}"));
    found.iter().map(|revision| revision.revision).collect()
}

async fn names(roots: &dyn RootedCache) -> Vec<String> {
    let list = roots.roots(None, 100).await.unwrap_or_else(|error| panic!("{error}"));
    list.iter().map(|root| root.name.to_string()).collect()
}

/// Roots `a`, of the path by its hash part, and `a/b`, which no folder is in the way of.
async fn a_root_is_set_and_told(roots: &dyn RootedCache, [dep, top]: [&StorePath; 2]) {
    let set = put(roots, &new("a/b", &[top, top], (90, 0))).await;
    assert_eq!((set.revision, set.paths.as_slice()), (1, std::slice::from_ref(top)));
    assert_eq!(
        set.expires,
        RootLifetime { days: NonZeroU32::new(90), revisions: None }.expires(set.created)
    );
    let by_hash = NewRoot { paths: vec![RootPath::Hash(dep.hash_part())], ..new("a", &[], (0, 0)) };
    assert_eq!(put(roots, &by_hash).await.paths, std::slice::from_ref(dep));
    let told = roots.root(&root_name("a/b")).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(told, [set]);
    let page =
        roots.roots(Some(&root_name("a")), 1).await.unwrap_or_else(|error| panic!("{error}"));
    let page: Vec<_> = page.iter().map(|root| (root.name.as_str(), root.path_count)).collect();
    assert_eq!(page, [("a/b", 1)]);
    assert_eq!(numbers(roots, "a/c").await, Vec::<u64>::new());
}

async fn revisions_follow_each_other(roots: &dyn RootedCache, [dep, top, other]: [&StorePath; 3]) {
    put(roots, &new("main", &[dep], (0, 3))).await;
    // The same paths again are the same revision, whose time begins anew.
    for days in [0, 7] {
        let again = put(roots, &new("main", &[top], (days, 3))).await;
        assert_eq!((again.revision, again.expires.is_some()), (2, days > 0));
    }
    assert_eq!(numbers(roots, "main").await, [2, 1]);
    // At the same time, one after the other.
    let (one, two) = (new("main", &[other], (0, 3)), new("main", &[dep, other], (0, 3)));
    let (one, two) = tokio::join!(set(roots, &one), set(roots, &two));
    let revisions = [&one, &two].map(|set| set.revision.revision);
    assert_eq!(BTreeSet::from(revisions), BTreeSet::from([3, 4]));
    assert_eq!([one.let_go, two.let_go].concat(), [1], "the later one let go of the first");
    assert_eq!(numbers(roots, "main").await, [4, 3, 2]);
}

async fn what_is_not_there_is_refused(roots: &dyn RootedCache, dep: &StorePath) {
    let before = roots.root(&root_name("main")).await.unwrap_or_else(|error| panic!("{error}"));
    let renamed = StorePath::parse(&format!("{}-renamed", dep.hash_part()));
    let renamed = renamed.unwrap_or_else(|error| panic!("{error}"));
    for (path, hash) in
        [(RootPath::Hash(nowhere()), nowhere()), (RootPath::Path(renamed), dep.hash_part())]
    {
        for name in ["main", "x/y"] {
            let mut refused = new(name, &[dep], (0, 1));
            refused.paths.push(path.clone());
            match roots.put_root(&refused, &pusher()).await {
                Err(RootError::MissingPaths { paths, count: 1 }) => {
                    let hashes: Vec<HashPart> = paths.iter().map(|path| path.hash).collect();
                    assert_eq!(hashes, [hash]);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    let refused = roots.put_root(&new("main", &[], (0, 1)), &pusher()).await;
    assert!(matches!(refused, Err(RootError::Empty)), "{refused:?}");
    let after = roots.root(&root_name("main")).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(after, before);
    assert_eq!(numbers(roots, "x/y").await, Vec::<u64>::new());
}

async fn rules_end_roots(roots: &dyn RootedCache, paths: [&StorePath; 3]) {
    let longest = RootLifetime { days: NonZeroU32::new(7), revisions: None };
    for path in paths {
        let set = put(roots, &new("pr/1", &[path], (90, 5))).await;
        assert_eq!(set.expires, longest.expires(set.created));
    }
    assert_eq!(numbers(roots, "pr/1").await, [3, 2]);
}

/// Everything is in `main` and `pr/1` as well, so that nothing would be free.
async fn sizes_are_told(roots: &dyn RootedCache, [dep, top]: [&StorePath; 2]) {
    let freed = roots.root_sizes().await.unwrap_or_else(|error| panic!("{error}"));
    let freed = freed.unwrap_or_else(|| panic!("it is not too much"));
    let of = |name: &str| freed.sizes.get(&root_name(name)).copied().unwrap_or_default();
    let (one, two) = (of("a"), of("a/b"));
    assert!(one.paths == 1 && two.paths == 2, "{dep}: {one:?}; {top}: {two:?}");
    assert!(one.bytes > 0 && two.bytes > one.bytes, "{one:?}, {two:?}");
    assert_eq!((one.freed_paths, two.freed_bytes), (0, 0));
}

async fn what_a_root_names_is_not_deleted(cache: &dyn WritableCache, path: &StorePath) {
    match cache.delete(path.hash_part(), &pusher()).await {
        Err(PublishError::Needed(by)) => {
            assert!(by.contains(&"the root a/b".to_owned()), "{by:?}");
        }
        other => panic!("{other:?}"),
    }
    what_is_there(cache, &[(path, true)]).await;
}

async fn what_is_there(cache: &dyn WritableCache, expected: &[(&StorePath, bool)]) {
    // A hit may be a second old.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    for (path, is_there) in expected {
        let found =
            cache.path_info(path.hash_part()).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(found.is_some(), *is_there, "{path}");
    }
}

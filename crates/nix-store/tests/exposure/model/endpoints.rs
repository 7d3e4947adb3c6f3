//! Asking for everything in every way.

use std::collections::{BTreeMap, BTreeSet};

use rns_cache::{BinaryCache as _, Peek};
use rns_formats::{BuildId, DrvOutputId, LogName, Resource, ServePath, StorePath, url};
use rns_nix_store::{Codec, ExposedCache};

use super::{
    plan::Policy,
    world::{World, build_id, drv, drv_hash},
};
use crate::nar;

fn parse(url: &str) -> Resource {
    url::parse(url, None).unwrap()
}

fn log_name(path: &StorePath) -> Option<LogName> {
    match url::parse(&format!("/log/{path}"), None) {
        Some(Resource::Log(name)) => Some(name),
        _ => None,
    }
}

fn root() -> ServePath {
    match parse("/serve/00000000000000000000000000000000") {
        Resource::Serve { path, .. } => path,
        other => panic!("{other:?}"),
    }
}

/// Asserts that the store shows the paths that the policy means.
pub(super) async fn check(world: &World, store: &ExposedCache, policy: &Policy, when: &str) {
    if world.policy(policy).is_everything() {
        return;
    }
    let exposed = world.exposed_paths(policy);
    for (index, (path, known)) in world.paths.iter().enumerate() {
        let expected = exposed.contains_key(path);
        let at = |endpoint| format!("{endpoint} of {path}, {when}; {policy:?}");
        check_path((world, store), path, expected, &at).await;
        if let Some(record) = store.path_info(path.hash_part()).await.unwrap() {
            let deriver = known.as_ref().unwrap().deriver.clone();
            assert_eq!(
                record.info.deriver,
                deriver.filter(|deriver| exposed.contains_key(deriver)),
                "{}",
                at("deriver")
            );
            assert!(
                record.info.references.iter().all(|it| exposed.contains_key(it)),
                "{}",
                at("references")
            );
        }
        let id = BuildId::parse(&build_id(index)).unwrap();
        let is_debug = path.name().ends_with("-debug");
        let found = store.debug_info(&id).await.unwrap();
        assert_eq!(found.is_some(), expected && is_debug, "{}", at("debuginfo"));
        let trace = store.build_trace(&drv(index), "out").await.unwrap();
        assert_eq!(trace.is_some(), expected, "{}", at("build trace"));
        let dependency = world.dependency(index);
        let is_whole = dependency.is_none_or(|other| exposed.contains_key(&world.paths[other].0));
        let id = DrvOutputId::parse(&format!("sha256:{}!out", drv_hash(index).to_hex())).unwrap();
        let realisation = store.realisation(&id).await.unwrap();
        assert_eq!(realisation.is_some(), expected && is_whole, "{}", at("realisation"));
    }
    check_nars(world, store, &exposed, when).await;
}

async fn check_path(
    (world, store): (&World, &ExposedCache),
    path: &StorePath,
    expected: bool,
    at: &impl Fn(&'static str) -> String,
) {
    let hash = path.hash_part();
    assert_eq!(nar(store, hash).await.is_some(), expected, "{}", at("NAR"));
    assert_eq!(store.path_info(hash).await.unwrap().is_some(), expected, "{}", at("path info"));
    let peek = store.peek(&hash);
    assert!(!matches!(peek, Peek::Hit { .. }) || expected, "{}", at("peek"));
    assert!(peek != Peek::Miss || !expected, "{}", at("peek"));
    assert_eq!(store.listing(hash).await.unwrap().is_some(), expected, "{}", at("listing"));
    assert_eq!(store.file(hash, &root()).await.unwrap().is_some(), expected, "{}", at("file"));
    let compressed = world.compressed(store).compressed_nar(hash, None, Codec::Zstd).await.unwrap();
    assert_eq!(compressed.is_some(), expected, "{}", at("compressed NAR"));
    if let Some(name) = log_name(path) {
        assert_eq!(store.log(&name).await.unwrap().is_some(), expected, "{}", at("log"));
    }
}

/// NARs by their hash alone, which several paths may share.
async fn check_nars(
    world: &World,
    store: &ExposedCache,
    exposed: &BTreeMap<StorePath, usize>,
    when: &str,
) {
    for known in world.paths.iter().filter_map(|(_, known)| known.as_ref()) {
        let of_hash = exposed.iter().filter(|(_, index)| {
            world.paths[**index].1.as_ref().is_some_and(|it| it.nar_hash == known.nar_hash)
        });
        let expected: BTreeSet<_> = of_hash.map(|(path, _)| path.hash_part()).collect();
        let found = store.find_nar(&known.nar_hash).await.unwrap();
        let found: BTreeSet<_> = found.into_iter().collect();
        // One is as good as another, so that the latest need not be among them.
        assert!(found.is_subset(&expected), "by NAR hash, {when}: {found:?} of {expected:?}");
        assert_eq!(found.is_empty(), expected.is_empty(), "by NAR hash, {when}");
    }
}

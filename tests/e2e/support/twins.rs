//! A store with two packages that have everything that can be asked about a path, and the names of a third that is not
//! there. A profile leads to the first.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use rns_formats::{Sha256Digest, StorePath};
use rns_testing::{Entry, FixtureStore, LogFile, Server, ServerBuilder, Tree, http::Response};

use crate::support::{eventually, full, server, without_date};

pub(crate) struct Twins {
    pub(crate) store: FixtureStore,
    pub(crate) shown: Package,
    pub(crate) hidden: Package,
    pub(crate) missing: Package,
    /// A link to `shown`, as a profile is one.
    pub(crate) profile: PathBuf,
}

/// The names of a package.
pub(crate) struct Package {
    pub(crate) path: StorePath,
    pub(crate) derivation: StorePath,
    nar_hash: Sha256Digest,
    /// Different for each, eight hexadecimal digits.
    mark: &'static str,
}

impl Twins {
    pub(crate) fn new() -> Self {
        let mut store = FixtureStore::new();
        store.create_realisation_tables();
        let shown = Package::put(&mut store, "shown", "11111111");
        let hidden = Package::put(&mut store, "hidden", "22222222");
        let missing = Package {
            path: StorePath::parse("00000000000000000000000000000003-missing").unwrap(),
            derivation: StorePath::parse("00000000000000000000000000000004-missing.drv").unwrap(),
            nar_hash: Sha256Digest::of(b"missing"),
            mark: "33333333",
        };
        let profile = store.root().join("profile");
        let twins = Self { store, shown, hidden, missing, profile };
        twins.switch_to(&twins.shown);
        twins
    }

    /// Lets the profile lead to another package, as Nix does it.
    pub(crate) fn switch_to(&self, package: &Package) {
        let new = self.profile.with_extension("new");
        symlink(full(&package.path), &new).unwrap();
        fs::rename(new, &self.profile).unwrap();
    }

    /// A server of this store.
    pub(crate) fn builder(&self) -> ServerBuilder {
        server().store(&self.store)
    }

    /// A server that shows the closure of the profile.
    pub(crate) fn serve(&self) -> Server {
        ready(self.builder().section(&format!("[expose]\nroots = [{:?}]", self.profile)))
    }
}

/// Starts a server and waits until it knows which paths it shows.
pub(crate) fn ready(builder: ServerBuilder) -> Server {
    let server = builder.start();
    eventually(|| server.get("/readyz").status() == 200);
    server
}

impl Package {
    fn put(store: &mut FixtureStore, name: &str, mark: &'static str) -> Self {
        let derivation = store.add(&format!("{name}.drv"), Tree::file(format!("Derive({name})")));
        let debug =
            Tree::directory([(format!("{}.debug", &build_id(mark)[2..]), Tree::file(name))]);
        let debug = Tree::directory([(&build_id(mark)[..2], debug)]);
        let tree = Tree::directory([
            ("bin", Tree::directory([("run", Tree::executable(name))])),
            ("lib", Tree::directory([("debug", Tree::directory([(".build-id", debug)]))])),
        ]);
        // Debug information is looked for in paths with such names.
        let entry = Entry::new(format!("{name}-debug"), tree)
            .references([&derivation])
            .deriver(full(&derivation));
        let path = store.insert(entry);
        store.add_log(derivation.as_str(), LogFile::Plain, name.as_bytes());
        store.execute(
            "insert into Realisations (drvPath, outputName, outputPath)
             select ?, 'out', id from ValidPaths where path = ?",
            [&format!("sha256:{}", drv_hash(mark)), &full(&path)],
        );
        store.execute(
            "insert into BuildTraceV3 (drvPath, outputName, outputPath) values (?, 'out', ?)",
            [derivation.as_str(), &full(&path)],
        );
        let nar_hash = store.info(&path).nar_hash;
        Self { path, derivation, nar_hash, mark }
    }

    /// Everything that can be asked about it.
    pub(crate) fn targets(&self) -> Vec<String> {
        let hash = self.path.hash_part();
        let nar_hash = self.nar_hash.to_nix32();
        vec![
            format!("/{hash}.narinfo"),
            format!("/{hash}.narinfo?json"),
            format!("/{hash}.ls"),
            format!("/nar/{hash}-{nar_hash}.nar"),
            format!("/nar/{hash}.nar"),
            format!("/nar/{nar_hash}.nar"),
            format!("/nar/{nar_hash}.nar?hash={hash}"),
            format!("/nar/{hash}-{nar_hash}.nar.zst"),
            format!("/serve/{hash}"),
            format!("/serve/{hash}/"),
            format!("/serve/{hash}/bin/run"),
            format!("/log/{}", self.derivation),
            format!("/build-trace-v2/{}/out.doi", self.derivation),
            format!("/realisations/sha256:{}!out.doi", drv_hash(self.mark)),
            format!("/debuginfo/{}.debug", build_id(self.mark)),
            format!("/{}.narinfo", self.derivation.hash_part()),
        ]
    }
}

fn build_id(mark: &str) -> String {
    mark.repeat(5)
}

fn drv_hash(mark: &str) -> String {
    mark.repeat(8)
}

/// That nothing but the time tells two answers apart.
#[track_caller]
pub(crate) fn assert_alike(one: &Response, other: &Response, what: &str) {
    assert_eq!(one.status(), other.status(), "{what}");
    assert_eq!(without_date(one), without_date(other), "{what}");
    assert_eq!(one.body, other.body, "{what}");
}

/// Replaces a text in the configuration of a server.
pub(crate) fn reconfigure(file: &Path, old: &str, new: &str) {
    let before = fs::read_to_string(file).unwrap();
    assert!(before.contains(old), "{old:?} is not in\n{before}");
    // At once, since it may be read just now.
    let next = file.with_extension("next");
    fs::write(&next, before.replace(old, new)).unwrap();
    fs::rename(next, file).unwrap();
}

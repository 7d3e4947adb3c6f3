//! A store with objects for every endpoint, and the part of it that should be shown.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    sync::Arc,
};

use rns_cache::ExposurePolicy;
use rns_formats::{KeyName, PublicKey, SecretKey, Sha256Digest, StorePath};
use rns_nix_store::{
    CompressedCache, ExposedCache, Exposures, LocalStore, NarCache, NarCacheConfig,
};
use rns_testing::{Entry, FixtureStore, LogFile, Scratch, Tree};

use super::plan::{LINKS, NAMES, Node, Policy, Signature};
use crate::{config, patterns};

pub(super) struct World {
    pub(super) fixture: FixtureStore,
    scratch: Scratch,
    nars: Arc<NarCache>,
    /// All paths there ever were; `None` for those that were collected.
    pub(super) paths: Vec<(StorePath, Option<Known>)>,
    links: Vec<Option<usize>>,
    keys: [SecretKey; 3],
}

/// The model's knowledge of a valid path.
#[derive(Clone, Debug)]
pub(super) struct Known {
    references: BTreeSet<usize>,
    signed_by: BTreeSet<usize>,
    pub(super) deriver: Option<StorePath>,
    pub(super) nar_hash: Sha256Digest,
}

pub(super) fn build_id(index: usize) -> String {
    format!("{index:040x}")
}

pub(super) fn drv_hash(index: usize) -> Sha256Digest {
    Sha256Digest::of(index.to_string().as_bytes())
}

impl World {
    pub(super) fn new(nodes: &[Node], links: &[Option<usize>]) -> Self {
        let key =
            |name: &str, seed| SecretKey::from_seed(KeyName::parse(name).unwrap(), &[seed; 32]);
        let scratch = Scratch::new();
        let mut world = Self {
            fixture: FixtureStore::new(),
            nars: NarCache::open(NarCacheConfig::new(scratch.join("nars"))),
            scratch,
            paths: Vec::new(),
            links: vec![None; LINKS],
            keys: [key("one", 1), key("two", 2), key("one", 3)],
        };
        world.fixture.create_realisation_tables();
        nodes.iter().for_each(|node| world.register(node));
        for (link, node) in links.iter().enumerate() {
            world.switch(link, *node);
        }
        world
    }

    pub(super) fn open(&self) -> Exposures {
        Exposures::new(LocalStore::open(config(&self.fixture)))
    }

    /// The store, compressed and behind its policy.
    pub(super) fn compressed(&self, store: &ExposedCache) -> CompressedCache {
        CompressedCache::new(Arc::new(store.clone()), Arc::clone(&self.nars), None)
    }

    pub(super) fn policy(&self, policy: &Policy) -> ExposurePolicy {
        let key = |&key: &usize| -> PublicKey { self.keys[key].public_key() };
        ExposurePolicy {
            roots: policy
                .roots
                .as_ref()
                .map(|roots| roots.iter().map(|&link| self.link(link)).collect()),
            names: policy.names.iter().map(|names| patterns(names)).collect(),
            signed_by: policy.signed_by.as_ref().map(|keys| keys.iter().map(key).collect()),
            deny: patterns(&policy.deny),
            allow: patterns(&policy.allow),
        }
    }

    fn link(&self, link: usize) -> PathBuf {
        self.scratch.join(format!("link-{link}"))
    }

    pub(super) fn switch(&mut self, link: usize, node: Option<usize>) {
        let place = self.link(link);
        let node = node.filter(|&node| node < self.paths.len());
        self.links[link] = node;
        match node {
            Some(node) => {
                let target = self.fixture.store_dir().print(&self.paths[node].0);
                let temporary = self.scratch.join("temporary");
                symlink(target, &temporary).unwrap();
                fs::rename(temporary, place).unwrap();
            }
            None => _ = fs::remove_file(place),
        }
    }

    pub(super) fn register(&mut self, node: &Node) {
        let index = self.paths.len();
        let path = StorePath::parse(&format!("{index:032}-{}", NAMES[node.name])).unwrap();
        self.paths.push((path, None));
        self.put(index, node);
    }

    /// Collects a path and registers it anew, with the same name.
    pub(super) fn replace(&mut self, index: usize, node: &Node) {
        if self.collect(index) {
            self.put(index, node);
        }
    }

    /// Whether the path was there and nothing kept it from being collected.
    pub(super) fn collect(&mut self, index: usize) -> bool {
        let Some((path, Some(_))) = self.paths.get(index).cloned() else { return false };
        let mut others = self.paths.iter().enumerate().filter(|(other, _)| *other != index);
        if others.any(|(_, (_, it))| it.as_ref().is_some_and(|it| it.references.contains(&index))) {
            return false;
        }
        self.fixture.forget(&path);
        self.fixture.remove_files(&path);
        self.paths[index].1 = None;
        true
    }

    fn put(&mut self, index: usize, node: &Node) {
        let path = self.paths[index].0.clone();
        let referred: BTreeSet<usize> = (0..index.min(32))
            .filter(|other| node.references >> other & 1 == 1 && self.paths[*other].1.is_some())
            .collect();
        let deriver = node.deriver.and_then(|deriver| self.paths.get(deriver)).map(|it| &it.0);
        let mut entry = Entry::new(path.name(), tree(index, node, &path))
            .hash_part(&path.hash_part().to_string())
            .references(referred.iter().map(|&other| &self.paths[other].0));
        if let Some(deriver) = deriver {
            entry = entry.deriver(self.fixture.store_dir().print(deriver));
        }
        if node.own_reference {
            entry = entry.self_reference();
        }
        let info = self.fixture.path_info_for(&entry);
        let fingerprint = info.fingerprint(self.fixture.store_dir());
        let mut signed_by = BTreeSet::new();
        for signature in &node.signatures {
            entry = entry.signature(match signature {
                Signature::Good(key) => {
                    signed_by.insert(*key);
                    self.keys[*key].sign(&fingerprint).to_string()
                }
                Signature::Bad(key) => self.keys[*key].sign("something else").to_string(),
                Signature::Unknown => {
                    let stranger = KeyName::parse("stranger").unwrap();
                    SecretKey::from_seed(stranger, &[9; 32]).sign(&fingerprint).to_string()
                }
            });
        }
        self.fixture.insert(entry);
        self.paths[index].1 = Some(Known {
            references: referred.clone(),
            signed_by,
            deriver: info.deriver,
            nar_hash: info.nar_hash,
        });
        if path.is_derivation() {
            self.fixture.add_log(path.as_str(), LogFile::Plain, b"log");
        }
        self.realise(index, &path, referred.first().copied());
    }

    /// Records that the path is the output of a derivation, with another one that it refers to.
    fn realise(&self, index: usize, path: &StorePath, dependency: Option<usize>) {
        let full = self.fixture.store_dir().print(path);
        let hash = |index| format!("sha256:{}", drv_hash(index).to_hex());
        self.fixture.execute(
            "insert into Realisations (drvPath, outputName, outputPath)
             select ?1, 'out', id from ValidPaths where path = ?2",
            [hash(index), full.clone()],
        );
        if let Some(dependency) = dependency {
            self.fixture.execute(
                "insert into RealisationsRefs select a.id, b.id from Realisations a, Realisations b
                  where a.drvPath = ?1 and b.drvPath = ?2",
                [hash(index), hash(dependency)],
            );
        }
        self.fixture.execute("delete from BuildTraceV3 where outputPath = ?1", [&full]);
        self.fixture.execute(
            "insert into BuildTraceV3 (drvPath, outputName, outputPath) values (?1, 'out', ?2)",
            [drv(index).as_str(), &full],
        );
    }

    pub(super) fn sign(&mut self, index: usize, key: usize) {
        let Some((path, Some(known))) = self.paths.get_mut(index) else { return };
        // Its references may have been collected and registered anew, but are still the same paths.
        let fingerprint = self.fixture.info(path).fingerprint(self.fixture.store_dir());
        let signature = self.keys[key].sign(fingerprint).to_string();
        self.fixture.execute(
            "update ValidPaths set sigs = coalesce(sigs || ' ', '') || ?1 where path = ?2",
            [signature, self.fixture.store_dir().print(path)],
        );
        known.signed_by.insert(key);
    }

    fn known(&self, index: usize) -> Option<&Known> {
        self.paths.get(index)?.1.as_ref()
    }

    fn closure(&self, seeds: impl Iterator<Item = usize>) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<usize> = seeds.filter(|&seed| self.known(seed).is_some()).collect();
        while let Some(index) = next.pop() {
            if reached.insert(index) {
                next.extend(&self.known(index).unwrap().references);
            }
        }
        reached
    }

    /// The definition, word for word and without any cleverness.
    pub(super) fn exposed(&self, policy: &Policy) -> BTreeSet<usize> {
        let all = || (0..self.paths.len()).filter(|&index| self.known(index).is_some());
        let matches = |index: usize, some: &[&str]| {
            patterns(some).iter().any(|pattern| pattern.matches(self.paths[index].0.name()))
        };
        let mut terms: Vec<BTreeSet<usize>> = vec![all().collect()];
        if let Some(roots) = &policy.roots {
            terms.push(self.closure(roots.iter().filter_map(|&link| self.links[link])));
        }
        for names in &policy.names {
            terms.push(self.closure(all().filter(|&index| matches(index, names))));
        }
        let fits = |index: usize| {
            let is_signed = policy.signed_by.as_ref().is_none_or(|keys| {
                keys.iter().any(|key| self.known(index).unwrap().signed_by.contains(key))
            });
            is_signed && (!matches(index, &policy.deny) || matches(index, &policy.allow))
        };
        all()
            .filter(|index| terms.iter().all(|term| term.contains(index)))
            .filter(|&index| self.closure([index].into_iter()).into_iter().all(fits))
            .collect()
    }

    /// The paths that are exposed, by their names.
    pub(super) fn exposed_paths(&self, policy: &Policy) -> BTreeMap<StorePath, usize> {
        let exposed = self.exposed(policy);
        exposed.into_iter().map(|index| (self.paths[index].0.clone(), index)).collect()
    }

    /// The conditions under which the realisation of a path is shown.
    pub(super) fn dependency(&self, index: usize) -> Option<usize> {
        self.known(index)?.references.first().copied()
    }
}

/// The derivation of which a path is an output in the build trace.
pub(super) fn drv(index: usize) -> StorePath {
    StorePath::parse(&format!("{:032}-trace.drv", index + 5000)).unwrap()
}

fn tree(index: usize, node: &Node, path: &StorePath) -> Tree {
    if path.name().ends_with("-debug") {
        let id = build_id(index);
        let (directory, file) = id.split_at(2);
        let file = Tree::directory([(format!("{file}.debug"), Tree::file("debug"))]);
        let ids = Tree::directory([(".build-id", Tree::directory([(directory, file)]))]);
        return Tree::directory([("lib", Tree::directory([("debug", ids)]))]);
    }
    Tree::file(if node.common { "the same".to_owned() } else { index.to_string() })
}

//! A Nix store made without Nix: files, database and logs, all below one temporary root.

mod entry;
mod logs;
mod schema;
mod standard;

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use rns_formats::{HashPart, PathInfo, Sha256Digest, Sha256Hasher, Signature, StoreDir, StorePath};
use rusqlite::{Connection, Params, params};

use crate::{Scratch, Tree, scratch::make_removable};

pub use entry::Entry;
pub use logs::LogFile;
pub use standard::Standard;

/// A chroot store as `nix --store local?root=ROOT` lays it out. The database stays open in WAL mode
/// while this value lives, as with a running Nix, so `-wal` and `-shm` are there.
#[derive(Debug)]
pub struct FixtureStore {
    scratch: Scratch,
    store_dir: StoreDir,
    connection: Option<Connection>,
    trees: BTreeMap<StorePath, Tree>,
    infos: BTreeMap<StorePath, PathInfo>,
}

impl FixtureStore {
    /// An empty store for `/nix/store`.
    #[must_use]
    pub fn new() -> Self {
        Self::with_store_dir("/nix/store")
    }

    /// An empty store for another logical store directory.
    #[must_use]
    pub fn with_store_dir(store_dir: &str) -> Self {
        let store = Self {
            scratch: Scratch::new(),
            store_dir: StoreDir::parse(store_dir).unwrap(),
            connection: None,
            trees: BTreeMap::new(),
            infos: BTreeMap::new(),
        };
        fs::create_dir_all(store.real_dir()).unwrap();
        fs::create_dir_all(store.log_dir()).unwrap();
        fs::create_dir_all(store.database().parent().unwrap()).unwrap();
        fs::write(store.database().with_file_name("schema"), "10").unwrap();
        let mut store = store;
        store.open_database();
        store.connection().execute_batch(schema::SCHEMA).unwrap();
        store
    }

    /// The chroot, for `--store local?root=`.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.scratch.path()
    }

    /// The logical store directory.
    #[must_use]
    pub const fn store_dir(&self) -> &StoreDir {
        &self.store_dir
    }

    /// The directory on disk that holds the store paths: Nix puts it there below a root, for every
    /// logical store directory.
    #[must_use]
    pub fn real_dir(&self) -> PathBuf {
        self.scratch.join("nix/store")
    }

    /// Where one store path is on disk.
    #[must_use]
    pub fn real_path(&self, path: &StorePath) -> PathBuf {
        self.real_dir().join(path.as_str())
    }

    /// The database file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.scratch.join("nix/var/nix/db/db.sqlite")
    }

    /// The directory of build logs.
    #[must_use]
    pub fn log_dir(&self) -> PathBuf {
        self.scratch.join("nix/var/log/nix/drvs")
    }

    /// Puts a path without references into the store.
    pub fn add(&mut self, name: &str, tree: Tree) -> StorePath {
        self.insert(Entry::new(name, tree))
    }

    /// Puts a path into the store: files first, then its row, as Nix does.
    pub fn insert(&mut self, entry: Entry) -> StorePath {
        let info = self.path_info_for(&entry);
        let path = info.path.clone();
        entry.tree.write_to(&self.real_path(&path));
        self.insert_row(&info, entry.deriver.as_deref(), &entry.signatures);
        self.trees.insert(path.clone(), entry.tree);
        self.infos.insert(path.clone(), info);
        path
    }

    /// The row of a path of this store.
    #[must_use]
    pub fn info(&self, path: &StorePath) -> &PathInfo {
        &self.infos[path]
    }

    /// The NAR of a path of this store, as its files were when it was put in.
    #[must_use]
    pub fn nar(&self, path: &StorePath) -> Vec<u8> {
        self.trees[path].nar()
    }

    /// Removes the row of a path; its files stay.
    pub fn forget(&self, path: &StorePath) {
        let deleted =
            self.execute("delete from ValidPaths where path = ?", [self.store_dir.print(path)]);
        assert_eq!(deleted, 1, "{path} was registered");
    }

    /// Removes the files of a path; its row stays.
    pub fn remove_files(&self, path: &StorePath) {
        let real = self.real_path(path);
        if real.is_dir() && !real.is_symlink() {
            make_removable(&real);
            fs::remove_dir_all(real).unwrap();
        } else {
            fs::remove_file(real).unwrap();
        }
    }

    /// Writes the files of a path again, which are not there any more.
    pub fn restore_files(&self, path: &StorePath) {
        self.trees[path].write_to(&self.real_path(path));
    }

    /// Changes the database by hand.
    pub fn execute(&self, sql: &str, params: impl Params) -> usize {
        self.connection().execute(sql, params).unwrap()
    }

    /// The open database.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        self.connection.as_ref().unwrap()
    }

    /// Closes the database, after which SQLite leaves neither `-wal` nor `-shm`: a store that was
    /// restored from a backup or that was not opened since.
    pub fn close_database(&mut self) {
        self.connection = None;
    }

    /// Opens the database, which must have been closed.
    pub fn open_database(&mut self) {
        assert!(self.connection.is_none(), "the database is open already");
        let connection = Connection::open(self.database()).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.pragma_update(None, "synchronous", "off").unwrap();
        connection.pragma_update(None, "foreign_keys", "on").unwrap();
        self.connection = Some(connection);
    }

    /// Makes the tables of content-addressed derivations, in both generations.
    pub fn create_realisation_tables(&self) {
        self.connection().execute_batch(schema::REALISATIONS).unwrap();
    }

    /// The info that [`insert`](Self::insert) would register, without inserting anything.
    #[must_use]
    pub fn path_info_for(&self, entry: &Entry) -> PathInfo {
        let measured = entry.tree.write_nar(Measure::default());
        let (nar_hash, nar_size) = entry.claimed.unwrap_or_else(|| measured.finish());
        let path = self.path_for(entry, &nar_hash);
        let mut references = entry.references.clone();
        if entry.self_reference {
            references.push(path.clone());
        }
        references.sort();
        references.dedup();
        PathInfo {
            path,
            nar_hash,
            nar_size,
            references,
            deriver: entry
                .deriver
                .as_deref()
                .and_then(|deriver| self.store_dir.parse_path(deriver).ok()),
            signatures: entry
                .signatures
                .iter()
                .filter_map(|text| Signature::parse(text).ok())
                .collect(),
            ca: entry.ca,
            provenance: None,
            unknown: Vec::new(),
            ultimate: entry.ultimate,
            registration_time: entry.registration_time,
        }
    }

    fn path_for(&self, entry: &Entry, nar_hash: &Sha256Digest) -> StorePath {
        if let Some(hash_part) = entry.hash_part {
            return StorePath::parse(&format!("{hash_part}-{}", entry.name)).unwrap();
        }
        if let Some(ca) = &entry.ca {
            let name = rns_formats::StorePathName::parse(&entry.name).unwrap();
            let path =
                ca.store_path(&self.store_dir, &name, &entry.references, entry.self_reference);
            return path.unwrap();
        }
        let seed = Sha256Digest::of(
            format!("{}:{nar_hash}:{}", self.store_dir.as_str(), entry.name).as_bytes(),
        );
        let hash_part = HashPart::from_bytes(*seed.as_bytes().first_chunk().unwrap());
        StorePath::parse(&format!("{hash_part}-{}", entry.name)).unwrap()
    }

    fn insert_row(&self, info: &PathInfo, deriver: Option<&str>, signatures: &[String]) {
        self.execute(
            "insert into ValidPaths (path, hash, registrationTime, deriver, narSize, ultimate, sigs, ca)
             values (?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                self.store_dir.print(&info.path),
                format!("sha256:{}", info.nar_hash.to_hex()),
                info.registration_time as i64,
                deriver,
                info.nar_size as i64,
                info.ultimate.then_some(1),
                (!signatures.is_empty()).then(|| signatures.join(" ")),
                info.ca.as_ref().map(ToString::to_string),
            ],
        );
        for reference in &info.references {
            let inserted = self.execute(
                "insert into Refs (referrer, reference)
                 select a.id, b.id from ValidPaths a, ValidPaths b where a.path = ? and b.path = ?",
                [self.store_dir.print(&info.path), self.store_dir.print(reference)],
            );
            assert_eq!(inserted, 1, "{reference} is not in the store");
        }
    }
}

impl Default for FixtureStore {
    fn default() -> Self {
        Self::new()
    }
}

/// Hash and length of the written bytes.
#[derive(Default)]
struct Measure {
    hasher: Option<Sha256Hasher>,
    len: u64,
}

impl Measure {
    fn finish(self) -> (Sha256Digest, u64) {
        (self.hasher.unwrap_or_default().finish(), self.len)
    }
}

impl Write for Measure {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.hasher.get_or_insert_with(Sha256Hasher::new).update(bytes);
        self.len += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Opens a database as another program would.
///
/// # Panics
/// When it cannot be opened.
#[must_use]
pub fn open_sqlite(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

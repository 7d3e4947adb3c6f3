//! The store that is served, and the static cache of it that nginx serves. Both are made once and kept.

mod closure;
pub(crate) mod contents;
pub(crate) mod database;
mod statics;
mod tree;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rns_formats::{KeyName, SecretKey, Sha256Digest, StorePath};

use crate::size::Size;

/// The purpose of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Closure,
    Other,
    Huge,
    Tree,
}

/// A path of the store.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) group: Group,
    pub(crate) path: StorePath,
    pub(crate) nar_hash: Sha256Digest,
    pub(crate) nar_size: u64,
}

/// The store, below a directory that is kept between runs.
pub(crate) struct Store {
    pub(crate) directory: PathBuf,
    pub(crate) members: Vec<Member>,
}

/// Changes when stores made before are of no use any more.
const GENERATION: u32 = 1;

impl Store {
    /// The store of this size below `cache`, which is made unless it is there.
    pub(crate) fn open(cache: &Path, size: &Size) -> Result<Self> {
        let directory = cache.join(format!("{}-{GENERATION}", size.name));
        let list = directory.join("members");
        if !list.exists() {
            eprintln!("making the store in {}", directory.display());
            if directory.exists() {
                fs::remove_dir_all(&directory)?;
            }
            let members = closure::create(&directory, size)?;
            let lines: String = members.iter().map(Member::line).collect();
            fs::write(directory.join("members.new"), lines)?;
            fs::rename(directory.join("members.new"), &list)?;
        }
        let text = fs::read_to_string(list)?;
        let members = text.lines().map(Member::parse).collect::<Result<_>>()?;
        Ok(Self { directory, members })
    }

    /// The directory that Nix calls the root of the store.
    pub(crate) fn root(&self) -> PathBuf {
        self.directory.join("root")
    }

    pub(crate) fn database(&self) -> PathBuf {
        database_of(&self.root())
    }

    /// The static cache with this compression: `none` or `zstd`.
    pub(crate) fn statics(&self, compression: &str) -> PathBuf {
        self.directory.join(compression)
    }

    /// The compressed static cache as `nix copy --to file://…` would have named its files, in `directory`; and the targets of
    /// the NARs.
    pub(crate) fn as_copied(&self, directory: &Path) -> Result<Vec<String>> {
        statics::as_copied(&self.statics("zstd"), directory, &self.members)
    }

    pub(crate) fn group(&self, group: Group) -> Vec<Member> {
        self.members.iter().filter(|member| member.group == group).cloned().collect()
    }

    /// The path whose closure is all of [`Group::Closure`].
    pub(crate) fn top(&self) -> Result<Member> {
        self.group(Group::Closure).pop().context("the closure is empty")
    }
}

impl Member {
    /// The target of its narinfo.
    pub(crate) fn narinfo(&self) -> String {
        format!("/{}.narinfo", self.path.hash_part())
    }

    /// The target of its NAR, with the suffix of the compression.
    pub(crate) fn nar(&self, compression: &str) -> String {
        let suffix = if compression == "none" { "" } else { ".zst" };
        format!("/nar/{}-{}.nar{suffix}", self.path.hash_part(), self.nar_hash.to_nix32())
    }

    fn line(&self) -> String {
        let group = self.group as u8;
        format!("{group} {} {} {}\n", self.path, self.nar_hash.to_nix32(), self.nar_size)
    }

    fn parse(line: &str) -> Result<Self> {
        let fields: Vec<&str> = line.split(' ').collect();
        let [group, path, nar_hash, nar_size] = fields[..] else {
            anyhow::bail!("not a line of the list of members: {line}")
        };
        let group = match group {
            "0" => Group::Closure,
            "1" => Group::Other,
            "2" => Group::Huge,
            _ => Group::Tree,
        };
        Ok(Self {
            group,
            path: StorePath::parse(path)?,
            nar_hash: Sha256Digest::parse_nix32(nar_hash)?,
            nar_size: nar_size.parse()?,
        })
    }
}

/// Where Nix has the database of the store below `root`.
pub(crate) fn database_of(root: &Path) -> PathBuf {
    root.join("nix/var/nix/db/db.sqlite")
}

/// The key that signs both caches.
pub(crate) fn key() -> Result<SecretKey> {
    Ok(SecretKey::from_seed(KeyName::parse("bench-1")?, &[7; 32]))
}

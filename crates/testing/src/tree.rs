//! A file tree in memory: written to disk as Nix would leave it, or as the NAR it must be served as.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File, Permissions},
    io::Write,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    path::Path,
    time::{Duration, SystemTime},
};

use rns_formats::nar::{NarLimits, NarWriter};

/// One node of a file tree.
#[derive(Clone, Debug)]
pub enum Tree {
    /// A regular file; executable for Nix when its owner may execute it.
    File {
        /// Permission bits on disk.
        mode: u32,
        /// Its contents.
        contents: Contents,
    },
    /// A symbolic link to these bytes.
    Symlink(Vec<u8>),
    /// The entries by name, in bytewise order as in a NAR.
    Directory(BTreeMap<Vec<u8>, Self>),
}

/// The contents of a regular file.
#[derive(Clone, Debug)]
pub enum Contents {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many zero bytes, which take no room on disk.
    Zeroes(u64),
}

impl Tree {
    /// A regular file.
    pub fn file(contents: impl AsRef<[u8]>) -> Self {
        Self::with_mode(0o444, contents)
    }

    /// A regular file that its owner, group and all others may execute.
    pub fn executable(contents: impl AsRef<[u8]>) -> Self {
        Self::with_mode(0o555, contents)
    }

    /// A regular file with these permission bits.
    pub fn with_mode(mode: u32, contents: impl AsRef<[u8]>) -> Self {
        Self::File { mode, contents: Contents::Bytes(contents.as_ref().to_vec()) }
    }

    /// A sparse file of `size` zero bytes.
    #[must_use]
    pub const fn zeroes(size: u64) -> Self {
        Self::File { mode: 0o444, contents: Contents::Zeroes(size) }
    }

    /// A symbolic link.
    pub fn symlink(target: impl AsRef<[u8]>) -> Self {
        Self::Symlink(target.as_ref().to_vec())
    }

    /// A directory of these entries.
    pub fn directory<N: AsRef<[u8]>>(entries: impl IntoIterator<Item = (N, Self)>) -> Self {
        Self::Directory(
            entries.into_iter().map(|(name, node)| (name.as_ref().to_vec(), node)).collect(),
        )
    }

    /// Writes the tree to `path`, where nothing may be yet: no write permission anywhere, every file
    /// last modified one second after the epoch.
    pub fn write_to(&self, path: &Path) {
        match self {
            Self::File { mode, contents } => {
                let mut file = File::create_new(path).unwrap();
                match contents {
                    Contents::Bytes(bytes) => file.write_all(bytes).unwrap(),
                    Contents::Zeroes(size) => file.set_len(*size).unwrap(),
                }
                file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
                file.set_permissions(Permissions::from_mode(*mode)).unwrap();
            }
            Self::Symlink(target) => symlink(OsStr::from_bytes(target), path).unwrap(),
            Self::Directory(entries) => {
                fs::create_dir(path).unwrap();
                for (name, node) in entries {
                    node.write_to(&path.join(OsStr::from_bytes(name)));
                }
                let directory = File::open(path).unwrap();
                directory.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
                directory.set_permissions(Permissions::from_mode(0o555)).unwrap();
            }
        }
    }

    /// The tree as a NAR.
    #[must_use]
    pub fn nar(&self) -> Vec<u8> {
        self.write_nar(Vec::new())
    }

    /// Writes the tree as a NAR.
    pub fn write_nar<W: Write>(&self, out: W) -> W {
        let mut nar = NarWriter::new(out, NarLimits::default());
        self.write_node(&mut nar);
        nar.finish().unwrap()
    }

    fn write_node<W: Write>(&self, nar: &mut NarWriter<W>) {
        match self {
            Self::File { mode, contents } => {
                nar.regular(mode & 0o100 != 0, contents.len()).unwrap();
                contents.for_each_chunk(|bytes| nar.contents(bytes).unwrap());
            }
            Self::Symlink(target) => nar.symlink(target).unwrap(),
            Self::Directory(entries) => {
                nar.enter_directory().unwrap();
                for (name, node) in entries {
                    nar.entry(name).unwrap();
                    node.write_node(nar);
                }
                nar.leave_directory().unwrap();
            }
        }
    }
}

impl Contents {
    /// Length in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub const fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Zeroes(size) => *size,
        }
    }

    fn for_each_chunk(&self, mut take: impl FnMut(&[u8])) {
        match self {
            Self::Bytes(bytes) if bytes.is_empty() => {}
            Self::Bytes(bytes) => take(bytes),
            Self::Zeroes(size) => {
                let zeroes = [0; 1 << 16];
                let mut left = *size;
                while left > 0 {
                    let len = left.min(zeroes.len() as u64);
                    take(&zeroes[..len as usize]);
                    left -= len;
                }
            }
        }
    }
}

//! Which NARs are compressed, how, and the bounds of that.

use std::{path::PathBuf, time::Duration};

use rns_formats::Compression;

/// A compression that this server makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Zstandard, read by every Nix since 2.4.
    Zstd,
    /// xz, read by every Nix.
    Xz,
}

impl Codec {
    /// Its name in narinfos and file names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Xz => "xz",
        }
    }

    /// Its name in narinfos and URLs.
    #[must_use]
    pub const fn compression(self) -> Compression {
        match self {
            Self::Zstd => Compression::Zstd,
            Self::Xz => Compression::Xz,
        }
    }

    /// The codec that makes this.
    #[must_use]
    pub const fn of(compression: Compression) -> Option<Self> {
        match compression {
            Compression::Zstd => Some(Self::Zstd),
            Compression::Xz => Some(Self::Xz),
            _ => None,
        }
    }
}

/// Where compressed NARs are kept, and within which bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NarCacheConfig {
    /// The directory; made when it is not there. Nothing else belongs in it.
    pub directory: PathBuf,
    /// How the NARs are compressed that narinfos offer. None: narinfos offer them as they are.
    pub offer: Option<Codec>,
    /// The most that the files in it may take together. A larger NAR is never compressed.
    pub bytes: u64,
    /// Memory for compressed NARs of at most 64 KiB.
    pub memory_bytes: usize,
    /// Memory that running encoders of one codec may take together; at least one always runs.
    pub encoder_memory_bytes: u64,
    /// How long a compression goes on without a reader: the reader that left may be about to
    /// come back for the rest.
    pub grace: Duration,
    /// A NAR of at most this length is compressed before the first byte is sent.
    pub whole_bytes: u64,
    /// Zstandard level, 1 to 19.
    pub zstd_level: u8,
    /// xz preset, 0 to 9.
    pub xz_level: u8,
}

impl NarCacheConfig {
    /// A cache in this directory with the usual bounds.
    #[must_use]
    pub const fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            offer: None,
            bytes: 20 << 30,
            memory_bytes: 64 << 20,
            encoder_memory_bytes: 256 << 20,
            grace: Duration::from_secs(300),
            whole_bytes: 4 << 20,
            zstd_level: 3,
            xz_level: 6,
        }
    }
}

/// NARs that are compressed while there is nothing else to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prewarm {
    /// Those of the closures of these roots: profiles, other links into the store, or directories of such links.
    pub roots: Vec<PathBuf>,
    /// Those of paths that are registered while the server runs.
    pub new_paths: bool,
}

impl Prewarm {
    /// Whether anything is compressed in advance.
    #[must_use]
    pub const fn is_wanted(&self) -> bool {
        self.new_paths || !self.roots.is_empty()
    }
}

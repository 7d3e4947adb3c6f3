//! How the NAR at a narinfo's URL is compressed.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Not the name of a compression method.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown compression method")]
pub struct UnknownCompression;

/// A compression method narinfos may name.
///
/// Nix 2.3 reads only `none`, `xz`, `bzip2` and `br`; every later Nix reads all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compression {
    /// The plain NAR.
    None,
    /// xz.
    Xz,
    /// bzip2, also the meaning of a narinfo without `Compression`.
    Bzip2,
    /// Zstandard.
    Zstd,
    /// Brotli.
    Br,
    /// gzip.
    Gzip,
    /// LZ4 frames.
    Lz4,
    /// lzip.
    Lzip,
    /// The LZMA format that preceded xz.
    Lzma,
    /// The Unix `compress` format.
    Compress,
    /// grzip.
    Grzip,
    /// Long Range ZIP.
    Lrzip,
    /// lzop.
    Lzop,
}

impl Compression {
    /// Every method.
    pub const ALL: [Self; 13] = [
        Self::None,
        Self::Xz,
        Self::Bzip2,
        Self::Zstd,
        Self::Br,
        Self::Gzip,
        Self::Lz4,
        Self::Lzip,
        Self::Lzma,
        Self::Compress,
        Self::Grzip,
        Self::Lrzip,
        Self::Lzop,
    ];

    /// The name in a narinfo.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
            Self::Zstd => "zstd",
            Self::Br => "br",
            Self::Gzip => "gzip",
            Self::Lz4 => "lz4",
            Self::Lzip => "lzip",
            Self::Lzma => "lzma",
            Self::Compress => "compress",
            Self::Grzip => "grzip",
            Self::Lrzip => "lrzip",
            Self::Lzop => "lzop",
        }
    }

    /// The method called `name`.
    ///
    /// # Errors
    /// When there is none; names are lower case.
    pub fn parse(name: &str) -> Result<Self, UnknownCompression> {
        Self::ALL.into_iter().find(|method| method.name() == name).ok_or(UnknownCompression)
    }

    /// The ending of file names after `.nar`: empty for [`Compression::None`], else with its dot.
    ///
    /// Nix gives a suffix of their own only to xz, bzip2, zstd, br, lzip and lz4; the others have
    /// the customary suffix of their tools here.
    #[must_use]
    pub const fn file_suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Xz => ".xz",
            Self::Bzip2 => ".bz2",
            Self::Zstd => ".zst",
            Self::Br => ".br",
            Self::Gzip => ".gz",
            Self::Lz4 => ".lz4",
            Self::Lzip => ".lzip",
            Self::Lzma => ".lzma",
            Self::Compress => ".Z",
            Self::Grzip => ".grz",
            Self::Lrzip => ".lrz",
            Self::Lzop => ".lzo",
        }
    }

    /// The method whose files end with `suffix`, dot included.
    #[must_use]
    pub fn from_file_suffix(suffix: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.file_suffix() == suffix)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Compression {
    type Err = UnknownCompression;

    fn from_str(text: &str) -> Result<Self, UnknownCompression> {
        Self::parse(text)
    }
}

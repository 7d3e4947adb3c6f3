//! The longest files of a binary cache that this program takes and reads: servers, storages and clients agree on them.

/// The longest `nix-cache-info`, in bytes.
pub const MAX_CACHE_INFO_BYTES: usize = 64 << 10;

/// The longest narinfo, in bytes.
pub const MAX_NARINFO_BYTES: usize = 2 << 20;

/// The longest listing, in bytes: a tree of some 500,000 files.
pub const MAX_LISTING_BYTES: u64 = 64 << 20;

/// The longest log of a build, in bytes.
pub const MAX_LOG_BYTES: u64 = 64 << 20;

/// The longest of the other documents about a path, in bytes: realisations, build traces, debug information.
pub const MAX_DOCUMENT_BYTES: u64 = 1 << 20;

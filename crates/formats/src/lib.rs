//! The formats of a Nix binary cache, and nothing else.
//!
//! Store paths, hashes, signatures, narinfo files, NAR archives and the URLs under which a
//! cache offers them: each has a type that can only hold a valid value, a parser that names the
//! fault of an invalid one, and a writer for its canonical spelling. The crate does
//! no I/O, reads no clock and no environment, and allocates in proportion to its input.

#![forbid(unsafe_code)]

pub mod byte_range;
pub mod cache_info;
pub mod compression;
pub mod content_address;
pub mod fingerprint;
pub mod hash;
pub mod http1;
pub mod limits;
pub mod listing;
pub mod nar;
pub mod narinfo;
pub mod nix32;
pub mod path_info;
pub mod provenance;
pub mod realisation;
pub mod root_name;
pub mod signature;
pub mod store_path;
pub mod url;

pub use byte_range::{ByteRange, RangeRequest};
pub use cache_info::{CacheInfo, CacheInfoError};
pub use compression::{Compression, UnknownCompression};
pub use content_address::{ContentAddress, ContentAddressError, ContentAddressPathError};
pub use fingerprint::fingerprint;
pub use hash::{Hash, HashAlgorithm, HashError, Sha256Digest, Sha256Hasher};
pub use limits::{
    MAX_CACHE_INFO_BYTES, MAX_DOCUMENT_BYTES, MAX_LISTING_BYTES, MAX_LOG_BYTES, MAX_NARINFO_BYTES,
};
pub use listing::{ListingError, ListingNode, NarListing, NotUtf8};
pub use nar::{
    FileSlice, LayoutBuilder, LayoutError, NarEvent, NarLayout, NarLimits, NarReadError, NarReader,
    NarWriteError, NarWriter, Position, Segment, SegmentCursor, TreeError, read_layout,
};
pub use narinfo::{FieldError, NarInfo, NarInfoError, NarInfoProblem};
pub use path_info::PathInfo;
pub use provenance::{Provenance, ProvenanceError};
pub use realisation::{
    BuildTraceEntry, DrvOutputId, DrvOutputIdError, Realisation, RealisationError,
};
pub use root_name::{RootLabel, RootLabelError, RootName, RootNameError};
pub use signature::{
    KeyName, KeyNameError, PublicKey, PublicKeyError, SecretKey, SecretKeyError, Signature,
    SignatureError,
};
pub use store_path::{HashPart, StoreDir, StoreDirError, StorePath, StorePathError, StorePathName};
pub use url::{BuildId, LogName, NarName, Resource, ServePath};

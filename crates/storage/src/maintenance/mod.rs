//! The work of operators on a whole storage: bring its index up to date, sign it, verify and mend it.
//!
//! All of it goes on while the storage is served.

mod documents;
mod faults;
mod index;
mod look;
mod orphans;
mod roots;
mod scan;
mod sign;
mod verify;

pub use self::{
    documents::{find_documents, unknown_documents},
    faults::{FaultKind, StorageFault},
    index::{Indexed, has_paths, is_index_empty, rebuild_index},
    roots::unknown_root,
    sign::{Signed, sign},
    verify::{Verified, VerifyOptions, verify},
};
pub(crate) use self::{index::rebuild_index_locked, roots::take_up_revisions};

/// Is told how far a command has come: objects that were looked at.
pub type ProgressObserver<'a> = &'a (dyn Fn(u64) + Send + Sync);

/// Why a command over a whole storage ended early.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// The storage cannot be read or written.
    #[error(transparent)]
    Objects(#[from] crate::objects::ObjectError),
    /// The index cannot be used.
    #[error(transparent)]
    Index(#[from] crate::index::IndexError),
    /// A path cannot be entered or taken out.
    #[error(transparent)]
    Path(#[from] rns_cache::CacheError),
}

//! The storage as a binary cache that takes uploads.

mod cache;
mod content_address;
mod direct;
mod document_owner;
mod documents;
mod elsewhere;
mod intakes;
mod nar;
mod outlook;
mod outlook_cache;
mod publish;
mod push_view;
mod remove;
mod root_objects;
mod roots;
mod storage;
mod stored_nar;
mod timed_cache;
mod upstreams;
mod wrong_nars;

pub(crate) use self::{
    document_owner::owner_of,
    publish::imported,
    remove::{REMOVE_TIMEOUT, RemovalError, remove_document, remove_nar, remove_path},
    root_objects::{StoredRoot, end, read_root, write_root},
    roots::MAX_NEEDED,
    storage::STAGING_GRACE,
};
pub use self::{
    elsewhere::{Elsewhere, Nowhere, Presence},
    intakes::DirectUploads,
    push_view::PushView,
    storage::{Storage, UploadLimits, initialise},
    upstreams::Upstreams,
};

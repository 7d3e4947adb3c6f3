//! The directory or bucket that holds the objects of a binary cache.

mod bucket;
mod connector;
mod credentials;
mod directory_file;
mod error;
mod key;
mod length;
mod multiparts;
mod name;
mod open;
mod staging;
mod store;
mod sweep;
mod trial;
mod url;
mod writer;

pub(crate) use self::key::{NARS, ROOTS};
pub use self::{
    error::ObjectError,
    key::ObjectKey,
    name::StorageName,
    store::{ObjectInfo, Objects},
    url::{AddressingStyle, StorageUrl, StorageUrlError},
    writer::ObjectWriter,
};

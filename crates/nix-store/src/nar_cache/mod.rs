//! NARs are compressed once for any number of clients, and can be resumed at any time.
//!
//! The encoder writes into a file of a directory; those who asked first read that file while it grows, at their own
//! pace. Complete, it gets a name with its length and hash, and is sent like any other file. The compression of a NAR
//! is fixed to the last parameter, so that a file that was evicted comes back the same. A lost or damaged
//! directory costs time only: a reader whose file is lost goes on with a compression of its own.
//!
//! - `cache`: the NARs that are kept, and those being made
//! - `compressed`: the adapter, a [`rns_cache::BinaryCache`] around another
//! - `config`, `recipe`, `encoder`: how NARs are compressed
//! - `limits`, `slots`: how many side by side, and who is next
//! - `portions`, `encode_job`, `encode_progress`: one compression that runs, and its readers
//! - `uncached_encoder`: a compression for one reader
//! - `tail_reader`, `finished`, `ready`, `steps`: the bytes for readers
//! - `offer`: the NARs that are offered compressed
//! - `early`: compression that begins when the narinfo is asked for
//! - `prewarm`, `throttle`: compression before any client asks
//! - `worth`: which NARs are better sent as they are
//! - `disk`, `file_name`, `memory`: where results are kept

mod cache;
mod compressed;
mod config;
mod disk;
mod early;
mod encode_job;
mod encode_progress;
mod encoder;
mod encoder_limits;
mod file_name;
mod finished;
mod memory;
mod offer;
mod portions;
pub(crate) mod prewarm;
mod ready;
mod recipe;
mod slots;
mod steps;
mod tail_reader;
mod throttle;
mod uncached_encoder;
mod worth;

pub use self::{
    cache::NarCache,
    compressed::{Compressed, CompressedCache, Warmed},
    config::{Codec, NarCacheConfig, Prewarm},
    file_name::CompressedFile,
    finished::Finished,
    tail_reader::GrowingNar,
};

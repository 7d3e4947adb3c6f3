//! A storage as its users see it: read, written, indexed; in a directory and in a bucket of a real S3 server.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod batches;
mod collect;
mod collection;
mod conformance;
mod credentials;
mod documents;
mod freshness;
mod index;
mod index_documents;
mod index_of_storage;
mod index_roots;
mod maintenance;
mod orphans;
mod plan;
mod policies;
mod publishing;
mod resets;
mod roots;
mod scale;
mod stored_nars;
mod support;
mod unfinished;
mod uploads;

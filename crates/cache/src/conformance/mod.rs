//! The tests that every backend passes: what a server relies on, whoever keeps the paths.
//!
//! A backend's tests implement [`Subject`] and call [`check`]. The functions panic like assertions do.

mod changes;
mod documents;
mod nars;
mod records;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rns_formats::{Compression, HashPart, PathInfo, StorePath};

use crate::BinaryCache;

/// A cache under test, with contents that are known.
#[async_trait]
pub trait Subject: Send {
    /// The cache.
    fn cache(&self) -> Arc<dyn BinaryCache>;

    /// What is in it: at least three paths, one that refers to another, one with a NAR of more than 512 KiB.
    fn specimens(&self) -> Vec<Specimen>;

    /// Adds a path, in the way in which another program would, and says which.
    async fn add(&mut self) -> Specimen;

    /// Removes a path, in the way in which another program would.
    async fn remove(&mut self, path: &StorePath);

    /// Makes the cache unable to answer, or able again. Whether that could be done.
    async fn set_outage(&mut self, _is_out: bool) -> bool {
        false
    }

    /// The NAR in a file that is compressed in this way.
    fn unpack(&self, compression: Compression, file: Bytes) -> Bytes;
}

/// A path and its NAR.
#[derive(Clone, Debug)]
pub struct Specimen {
    /// What is registered of it. Neither registration time nor `ultimate` need come back.
    pub info: PathInfo,
    /// Its NAR.
    pub nar: Bytes,
    /// Whether it has a listing.
    pub has_listing: bool,
}

impl Specimen {
    fn hash(&self) -> HashPart {
        self.info.path.hash_part()
    }
}

/// Runs all tests.
pub async fn check(subject: &mut dyn Subject) {
    let cache = subject.cache();
    assert!(cache.readiness().await.is_empty(), "it is ready");
    cache.settled().await.unwrap_or_else(|error| panic!("it can answer: {error}"));
    for specimen in subject.specimens() {
        records::what_is_there_is_found(&*cache, &specimen).await;
        nars::what_is_offered_can_be_had(&*cache, &specimen, subject).await;
        nars::every_range_is_a_part_of_the_whole(&*cache, &specimen).await;
        nars::a_name_of_another_nar_is_no_name(&*cache, &specimen).await;
        documents::a_listing_says_where_everything_is(&*cache, &specimen).await;
    }
    records::what_is_not_there_is_a_miss(&*cache).await;
    documents::what_is_not_there_is_a_miss(&*cache).await;
    changes::what_is_added_is_found_at_once(subject).await;
    changes::what_is_removed_is_a_miss_after_a_second(subject).await;
    changes::an_outage_is_no_miss(subject).await;
}

/// A hash part that no path has.
fn nowhere() -> HashPart {
    HashPart::parse("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz").unwrap_or_else(|_| unreachable!())
}

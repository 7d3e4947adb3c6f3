//! The tests that every backend passes: the guarantees that the server relies on.
//!
//! A backend's tests implement [`BackendUnderTest`] and call [`check`]; those of one with roots also [`RootedSubject`] and [`check_roots`]. The functions panic like assertions do.

mod changes;
mod documents;
mod nars;
mod records;
mod roots;
mod subject;

pub use self::{
    roots::{RootedSubject, check_roots},
    subject::{BackendUnderTest, Specimen},
};

/// Runs all tests.
pub async fn check(subject: &mut dyn BackendUnderTest) {
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
    records::a_sample_has_paths_that_are_there(&*cache).await;
    documents::what_is_not_there_is_a_miss(&*cache).await;
    changes::what_is_added_is_found_at_once(subject).await;
    changes::what_is_removed_is_a_miss_after_a_second(subject).await;
    changes::an_outage_is_no_miss(subject).await;
}

//! `/metrics`, in the text format of Prometheus.

use actix_web::HttpRequest;
use bytes::Bytes;

use crate::{
    life_cycle::state::ServerState,
    metrics::{CONTENT_TYPE, Observed},
    response::{Answer, Caching, Entity},
};

pub(crate) fn get(request: &HttpRequest, state: &ServerState) -> Answer {
    let caches = state.caches.load();
    let store = caches.factory().stats();
    let exposures = caches.all().filter_map(|cache| {
        Some((cache.name.as_deref().unwrap_or_default().to_owned(), cache.store.stats().exposure?))
    });
    let problems = caches.all().map(|cache| cache.signer().problems().len()).sum::<usize>();
    let refused = caches.all().filter(|cache| cache.access.is_refused()).count();
    let of_storage = store.retention.as_ref().and_then(|retention| retention.disk);
    let disks = [("store", store.disk), ("storage", of_storage)];
    let disks = disks.into_iter().filter_map(|(of, room)| Some((of, room?)));
    let observed = Observed {
        disks: disks.collect(),
        temp_roots_held: store.rooted,
        temp_roots_missed: store.unrooted.iter().map(|(_, count)| count).sum(),
        store_errors: store.failures,
        layout_cache_bytes: store.layout_bytes,
        send_memory_bytes: state.send_budget.held_bytes(),
        requests_waiting: state.send_budget.waiting() as u64,
        narinfo_cache_bytes: state.narinfos.bytes(),
        layout_cache_hits: store.layout_hits,
        layout_cache_misses: store.layout_misses,
        nar_cache: store.nar_cache,
        retention: store.retention,
        exposures: exposures.collect(),
        signing_keys: state.public_keys().len() as u64,
        signing_problems: problems as u64,
        token_file_problems: refused as u64,
    };
    Entity::new(CONTENT_TYPE, Caching::Never)
        .answer_bytes(request.headers(), Bytes::from(state.metrics.render(&observed)))
}

//! One push: the closure, and rounds over the paths that did not get through.

use std::collections::HashMap;

use futures_util::future::try_join3;
use rns_client::CacheClient;
use rns_formats::StorePath;
use rns_nix_store::LocalStore;

use crate::{
    closure::closure,
    config::PushConfig,
    documents::Documents,
    error::PushError,
    event::{Observe, PathOutcome, PushEvent, Summary},
    pack::Packer,
    round::{PushRound, SettledPaths},
    target::PushTarget,
    upstreams::usable,
};

/// Rounds over the paths that did not get through, after all attempts of each request.
const MAX_ROUNDS: usize = 3;

/// Pushes paths with all that they refer to. `observe` hears of each path once, when its outcome is final.
///
/// # Errors
/// When nothing could be begun: a path is not valid, or store or target cannot be asked. The results of single paths are
/// in the summary.
pub async fn push(
    store: &LocalStore,
    target: &PushTarget,
    upstreams: &[CacheClient],
    roots: &[StorePath],
    config: &PushConfig,
    observe: Observe<'_>,
) -> Result<Summary, PushError> {
    // The caches are asked while the database is.
    let usable = async { Ok(usable(upstreams, store.store_dir()).await) };
    let (closure, (), upstreams) = try_join3(
        closure(store, roots, config.roots_only),
        target.prepare(store.store_dir()),
        usable,
    )
    .await?;
    let documents = Documents::of(store, &closure, config).await?;
    let packer = Packer::new(config);
    let round =
        PushRound { store, target, config, packer: &packer, documents: &documents, observe };
    let mut settled = SettledPaths { summary: Summary::default(), published: HashMap::new() };
    let mut open = closure;
    for number in 1..=MAX_ROUNDS {
        config.liveness.note();
        let wanted = round.leave_out(open, &upstreams, &mut settled).await?;
        if number == 1 {
            let (paths, bytes) = wanted.planned();
            observe(&PushEvent::Planned(paths, bytes));
        }
        let failures = round.run(wanted, &mut settled).await;
        let is_last = number == MAX_ROUNDS || failures.iter().any(|(_, error)| error.ends_all());
        let is_final = |error: &PushError| is_last || !error.is_worth_a_round();
        let (failed, again): (Vec<_>, Vec<_>) =
            failures.into_iter().partition(|(_, error)| is_final(error));
        for (info, error) in failed {
            settled.summary.failed += 1;
            settled.summary.is_unreachable |= error.is_unreachable();
            observe(&PushEvent::Settled(&info, &PathOutcome::Failed(error)));
        }
        if again.is_empty() {
            break;
        }
        tracing::info!("tried again, since they did not get through: {} of the paths", again.len());
        open = again.into_iter().map(|(info, _)| info).collect();
    }
    Ok(settled.summary)
}

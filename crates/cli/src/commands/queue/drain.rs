//! `queue drain`: one pass over everything that waits.

use anyhow::Context as _;
use rns_cache::Pattern;
use rns_client::Liveness;
use rns_nix_store::LocalStore;
use rns_push::{DrainEnd, Drainer, Filter, PushError, Queue};

use super::place;
use crate::{
    client_args::{DrainArgs, FilterArgs},
    commands::{client, push::push_config},
    config::Environment,
    logging::{self, LogConfig, LogFormat},
    output::{CommandAnswer, counted, tell, waiting},
};

/// Pushes everything once, and says by its answer if something is left.
pub(super) fn run(args: &DrainArgs, environment: &Environment) -> anyhow::Result<CommandAnswer> {
    let log = LogConfig { level: "info".to_owned(), format: LogFormat::Text };
    let (_, _flush) = logging::start(&log)?;
    let store = client::open_store(&args.store, environment)?;
    let queue = Queue::open(&place::file(&args.place, environment)?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("no runtime")?.block_on(async {
        let waits = || tell("another program drains this queue: it is waited for");
        let _lock = queue.lock_draining(waits)?;
        let before = queue.status()?.waiting;
        let end = match drainer(args, &store, environment, Liveness::default()).await? {
            Ok(drainer) => drainer.drain(&queue, false).await?,
            Err(error) => {
                DrainEnd::Blocked { is_unreachable: error.is_unreachable(), why: error.to_string() }
            }
        };
        match &end {
            DrainEnd::Through(_) => queue.end_outage()?,
            DrainEnd::Blocked { why, is_unreachable } => {
                queue.note_outage(why, *is_unreachable, None)?;
            }
        }
        match end {
            DrainEnd::Through(0) => {
                // Paths that hooks add meanwhile are taken along, or wait.
                let text = match (before, queue.status()?.waiting) {
                    (0, 0) => "nothing waits".to_owned(),
                    (_, 0) => format!("the queue is empty: {} taken", waited(before)),
                    (_, left) => format!("{} taken, {} since", waited(before), waiting(left)),
                };
                tell(&text);
                Ok(CommandAnswer::Yes)
            }
            DrainEnd::Through(failed) => {
                let before = waited(before);
                tell(&format!(
                    "{before} tried, {} did not get through",
                    counted(failed as u64, "path")
                ));
                Ok(CommandAnswer::No)
            }
            DrainEnd::Blocked { why, is_unreachable } => {
                let waiting = waiting(queue.status()?.waiting);
                tell(&format!("rust-nix-serve: {waiting}: {why}"));
                Ok(if is_unreachable { CommandAnswer::Unreachable } else { CommandAnswer::No })
            }
        }
    })
}

/// A number of paths that have waited.
fn waited(number: i64) -> String {
    counted(number.unsigned_abs(), "path")
}

/// Everything for a pass over the queue. The token is read anew each time. Inner errors are those of the target.
pub(super) async fn drainer(
    args: &DrainArgs,
    store: &LocalStore,
    environment: &Environment,
    liveness: Liveness,
) -> anyhow::Result<Result<Drainer, PushError>> {
    let config = push_config(&args.packing, false, liveness)?;
    let upstreams = &args.packing.upstream;
    let target =
        client::push_target(&args.target, upstreams, store.store_dir(), environment, &config);
    let target = match target.await? {
        Ok(target) => target,
        Err(error) => return Ok(Err(error)),
    };
    let upstreams = client::upstreams(upstreams, &args.target.credential, &config.liveness)?;
    let filter = filter(&args.filter)?;
    Ok(Ok(Drainer { store: store.clone(), target, upstreams, config, filter }))
}

/// The filter that the flags describe.
pub(super) fn filter(args: &FilterArgs) -> anyhow::Result<Filter> {
    let patterns = |texts: &[String]| {
        let pattern = |text: &String| {
            Pattern::parse(text).with_context(|| format!("`{text}` is no pattern of names"))
        };
        texts.iter().map(pattern).collect::<anyhow::Result<Vec<_>>>()
    };
    Ok(Filter {
        only: patterns(&args.only)?,
        skip: patterns(&args.skip)?,
        max_size: args.max_size.map(|size| size.0),
        max_age: args.max_age.map(|span| span.0),
        built_here: args.built_here,
    })
}

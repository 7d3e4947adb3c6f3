//! `push`: store paths into a binary cache.

mod paths;
mod report;

use anyhow::Context as _;
use rns_client::Liveness;
use rns_formats::RootName;
use rns_push::{PushConfig, PushError, PushTarget, Summary};
use rns_server::keys::load_key;

use self::report::PushReport;
pub(super) use self::{paths::resolve, report::Style};
use super::{client, pin};
use crate::{
    client_args::{PackingArgs, PushArgs},
    config::Environment,
    logging::{self, LogConfig, LogFormat},
    output::{CommandAnswer, tell},
};

/// Pushes the paths of the command line.
pub(super) fn run(args: &PushArgs, environment: &Environment) -> anyhow::Result<CommandAnswer> {
    let log = LogConfig { level: "warn".to_owned(), format: LogFormat::Text };
    let (_, _flush) = logging::start(&log)?;
    let store_config = client::store_config(&args.store, environment)?;
    let store_dir = store_config.store_dir.clone();
    let paths = paths::read(args, &store_config)?;
    if let Some(name) = &args.pin {
        RootName::parse(name).with_context(|| format!("--pin {name}"))?;
    }
    if args.pin.is_none() && args.revision.is_any() {
        anyhow::bail!("--days, --revisions and --label are about a root: name it with --pin");
    }
    if args.pin.is_some() && !args.target.to.starts_with("http") {
        anyhow::bail!("--pin is for servers: a directory or bucket has no roots of its own");
    }
    let config = push_config(&args.packing, args.no_closure, Liveness::default())?;
    let store = client::open_store(&args.store, environment)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("no runtime")?.block_on(async {
        let upstreams = &args.packing.upstream;
        let target = client::push_target(&args.target, upstreams, &store_dir, environment, &config);
        let target = match target.await? {
            Ok(target) => target,
            Err(error) => return refused(&error),
        };
        let upstreams = client::upstreams(upstreams, &args.target.credential, &config.liveness)?;
        let report = PushReport::new(Style::of_flags(args.json, args.quiet), store_dir.clone());
        let observe = |event: &rns_push::PushEvent<'_>| report.hear(event);
        let done = rns_push::push(&store, &target, &upstreams, &paths, &config, &observe).await;
        report.end();
        match done {
            Ok(summary) => {
                if !args.quiet || summary.failed > 0 {
                    tell(&report::summary(&summary));
                }
                if let Some(remedy) = report.remedy() {
                    tell(remedy);
                }
                match (&args.pin, &target) {
                    (Some(name), PushTarget::Cache(client)) if summary.failed == 0 => {
                        let root = pin::new_root(name, &args.revision, &paths, &store_dir);
                        pin::put(client, &root, Style::of_flags(args.json, args.quiet)).await
                    }
                    _ => Ok(answer(&summary)),
                }
            }
            Err(error) => refused(&error),
        }
    })
}

/// The way in which paths are packed and sent.
pub(super) fn push_config(
    args: &PackingArgs,
    roots_only: bool,
    liveness: Liveness,
) -> anyhow::Result<PushConfig> {
    Ok(PushConfig {
        level: args.level,
        jobs: args.jobs.into(),
        keys: args.key.iter().map(|file| load_key(file)).collect::<Result<_, _>>()?,
        roots_only,
        listings: args.listing,
        logs: args.logs,
        scratch: std::env::temp_dir(),
        liveness,
    })
}

fn answer(summary: &Summary) -> CommandAnswer {
    match summary {
        Summary { failed: 0, .. } => CommandAnswer::Yes,
        Summary { is_unreachable: true, .. } => CommandAnswer::Unreachable,
        Summary { .. } => CommandAnswer::No,
    }
}

/// The answer where nothing could be begun. A fault of this machine is an error.
fn refused(error: &PushError) -> anyhow::Result<CommandAnswer> {
    let is_unreachable = error.is_unreachable();
    match error {
        PushError::Request(_) | PushError::Storage(_) | PushError::Publish(_) => {
            tell(&format!("rust-nix-serve: {error}"));
            if let Some(remedy) = error.remedy() {
                tell(remedy);
            }
            Ok(if is_unreachable { CommandAnswer::Unreachable } else { CommandAnswer::No })
        }
        _ => Err(anyhow::anyhow!("{error}")),
    }
}

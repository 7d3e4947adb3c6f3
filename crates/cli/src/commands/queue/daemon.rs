//! `queue run` and `watch-store`: push paths as they come, until stopped.

use std::{
    convert::Infallible,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rns_client::Liveness;
use rns_nix_store::LocalStore;
use rns_push::{DrainEnd, Queue, watch};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::spawn_blocking,
    time::sleep,
};

use super::{
    drain::{drainer, filter},
    place,
    service_manager::{self, DaemonWork},
};
use crate::{
    client_args::DrainArgs,
    commands::client,
    config::Environment,
    logging::{self, LogConfig, LogFormat},
    output::{CommandAnswer, in_words, waiting},
};

/// The time between two looks at the queue.
const QUEUE_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The first pause after nothing got through. It doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause after nothing got through.
const MAX_QUEUE_PAUSE: Duration = Duration::from_secs(60);

/// Runs until a signal. `watched`: new paths of the store are added, with those that are there if that is wanted.
pub(super) fn run(
    args: &DrainArgs,
    watched: Option<bool>,
    environment: &Environment,
) -> anyhow::Result<CommandAnswer> {
    let log = LogConfig { level: "info".to_owned(), format: LogFormat::Auto };
    let (_, _flush) = logging::start(&log)?;
    // A set-up that can never work is an error at once; a token that is not there yet may come.
    client::check_target(&args.target.to)?;
    filter(&args.filter)?;
    let store = LocalStore::open(client::store_config(&args.store, environment)?);
    let file = place::file(&args.place, environment)?;
    let queue = Queue::open(&file)?;
    let _mark = queue.mark_daemon()?;
    tell_task(&file, &queue, args, watched.is_some())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("no runtime")?;
    let answer = runtime.block_on(async {
        let mut stop = signal(SignalKind::terminate()).context("cannot wait for signals")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
        let work = DaemonWork::default();
        let watching = async {
            match watched {
                Some(existing) => watch(&store, &queue, existing, &work.watching).await,
                None => std::future::pending().await,
            }
        };
        let draining = &work.draining;
        let daemon = Daemon { args, store: &store, queue: &queue, draining, environment };
        service_manager::ready();
        tokio::select! {
            // The queue is on disk, and interrupted paths are pushed anew.
            _ = stop.recv() => Ok(CommandAnswer::Yes),
            _ = interrupt.recv() => Ok(CommandAnswer::Yes),
            Err(error) = watching => Err(error.into()),
            Err(error) = daemon.work() => Err(error),
            never = service_manager::watchdog(&work) => match never {},
        }
    });
    // A thread may wait for the lock of another program, or for a name server: the end does not.
    runtime.shutdown_background();
    answer
}

/// Announces once the queue, the target and the paths that wait.
fn tell_task(file: &Path, queue: &Queue, args: &DrainArgs, watches: bool) -> anyhow::Result<()> {
    let (file, to) = (file.display(), client::without_login(&args.target.to));
    let adds = if watches { "adds new paths of the store to the queue" } else { "takes the queue" };
    let waiting = waiting(queue.status()?.waiting);
    tracing::info!("{adds} {file} and pushes it to {to}: {waiting}");
    Ok(())
}

/// Drains the queue.
struct Daemon<'a> {
    args: &'a DrainArgs,
    store: &'a LocalStore,
    queue: &'a Queue,
    draining: &'a Liveness,
    environment: &'a Environment,
}

impl Daemon<'_> {
    /// Pushes paths as they become due.
    async fn work(&self) -> anyhow::Result<Infallible> {
        let mut outage: Option<(Duration, String)> = None;
        loop {
            if !self.queue.is_due()? {
                sleep(QUEUE_POLL_INTERVAL).await;
                continue;
            }
            match self.pass().await? {
                DrainEnd::Through(_) => {
                    self.queue.end_outage()?;
                    if outage.take().is_some() {
                        tracing::info!("the cache takes the waiting paths");
                    }
                    self.tell_status("")?;
                }
                DrainEnd::Blocked { why, is_unreachable } => {
                    let pause = outage
                        .as_ref()
                        .map_or(FIRST_PAUSE, |(last, _)| (*last * 2).min(MAX_QUEUE_PAUSE));
                    if outage.as_ref().is_none_or(|(_, told)| *told != why) {
                        let waiting = waiting(self.queue.status()?.waiting);
                        tracing::error!("{waiting}, it is tried again: {why}");
                    }
                    self.queue.note_outage(&why, is_unreachable, Some(pause))?;
                    self.tell_status(&why)?;
                    outage = Some((pause, why));
                    self.pause(pause).await?;
                }
            }
        }
    }

    /// Waits for so long, or until the user wants no more waiting.
    async fn pause(&self, pause: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + pause;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.queue.is_retry_wanted()? {
                return Ok(());
            }
            sleep(left.min(QUEUE_POLL_INTERVAL)).await;
        }
    }

    async fn pass(&self) -> anyhow::Result<DrainEnd> {
        let queue = self.queue.clone();
        let waits = || service_manager::status("another program drains the queue");
        let _lock =
            spawn_blocking(move || queue.lock_draining(waits)).await.context("no lock")??;
        // Another pass that is waited for has its own end.
        self.draining.begin();
        let end = self.locked_pass().await;
        self.draining.end();
        end
    }

    async fn locked_pass(&self) -> anyhow::Result<DrainEnd> {
        let blocked = |why: String| DrainEnd::Blocked { why, is_unreachable: false };
        Ok(match drainer(self.args, self.store, self.environment, self.draining.clone()).await {
            Ok(Ok(drainer)) => drainer.drain(self.queue, true).await?,
            Ok(Err(error)) => blocked(error.to_string()),
            Err(error) => blocked(in_words(&error)),
        })
    }

    fn tell_status(&self, why: &str) -> anyhow::Result<()> {
        let status = self.queue.status()?;
        let mut text = format!("{}, {} failed", waiting(status.waiting), status.failing);
        if !why.is_empty() {
            text.push_str(&format!(": {why}"));
        }
        service_manager::status(&text);
        Ok(())
    }
}

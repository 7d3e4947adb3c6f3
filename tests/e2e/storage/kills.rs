//! Everything is killed at random moments while clients push: servers, the bucket, the database, the clients themselves.
//!
//! `RNS_KILL_ROUNDS=200 cargo nextest run -p rust-nix-serve kills` is the long form; `RNS_KILL_SEED` repeats a run's choices.

mod builds;
mod clients;
mod collector;
mod directory;
mod real;
mod visible;
mod world;

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use self::{
    clients::{Clients, PushCounts, paths},
    visible::{Checked, visible},
    world::{Random, World, seed},
};
use crate::support::number;

/// Clients that push at the same time.
const CLIENTS: usize = 16;

/// How long a client tries before a round has failed.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Kills in one round at most: on a slow machine clients would never be done.
const MAX_KILLS: usize = 5;

/// The longest pause before something is killed.
const MAX_PAUSE: Duration = Duration::from_millis(250);

#[test]
fn nothing_is_half_visible_and_nothing_acknowledged_is_lost_when_everything_is_killed() {
    rounds("");
}

/// A path that no root needs goes as soon as it is not young any more. A push takes less: one that begins again since a part
/// of it was collected meets the claims of collectors that were killed, which last for most of a minute.
const COLLECTING: &str = "[retention]\nkeep_roots = true\nmin_age = \"6s\"\ninterval = \"1s\"";

#[test]
fn what_roots_need_is_whole_when_everything_is_killed_while_the_rest_is_collected() {
    rounds(COLLECTING);
}

fn rounds(retention: &str) {
    let Some(mut world) = World::start(retention) else { return };
    let is_collecting = !retention.is_empty();
    let rounds = number("RNS_KILL_ROUNDS").unwrap_or(if is_collecting { 1 } else { 2 });
    let mut random = Random::new(seed());
    let (token, addresses, url) = (world.token.clone(), world.addresses(), world.database.url());
    let counts = PushCounts::default();
    let roots = is_collecting.then_some(&*url);
    let clients = Clients { token: &token, addresses: &addresses, counts: &counts, roots };
    let mut checked = Checked::new(is_collecting);
    let begun = Instant::now();
    for round in 0..rounds {
        let start = Instant::now();
        let is_done = AtomicBool::new(false);
        let mut killer = random.fork();
        thread::scope(|scope| {
            let pushing: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let mut random = random.fork();
                    let clients = &clients;
                    scope.spawn(move || {
                        let paths = paths(round, client, &mut random);
                        clients.push_all(&paths, client, &mut random);
                    })
                })
                .collect();
            let (world, done) = (&mut world, &is_done);
            let is_due = |kills| kills < MAX_KILLS;
            let killing =
                scope.spawn(move || world.kill_until(done, is_due, MAX_PAUSE, &mut killer));
            let results: Vec<_> = pushing.into_iter().map(|client| client.join()).collect();
            is_done.store(true, Relaxed);
            killing.join().unwrap();
            results.into_iter().for_each(|result| result.unwrap());
        });
        let pushed = start.elapsed();
        // A path that is being checked must not go meanwhile.
        let paused = is_collecting.then(|| world.pause_collection());
        checked.check(&world, &*counts.kept.lock().unwrap());
        drop(paused);
        eprintln!(
            "round {}: {} paths, {pushed:?}, {:?}",
            round + 1,
            checked.len(),
            start.elapsed()
        );
    }
    let PushCounts { kept, acknowledged, deaths } = counts;
    let acknowledged = acknowledged.into_inner();
    if is_collecting {
        let deadline = Instant::now() + TIMEOUT;
        while visible(&world).len() >= acknowledged {
            assert!(Instant::now() < deadline, "nothing is collected");
            thread::sleep(Duration::from_millis(100));
        }
    }
    eprintln!(
        "{rounds} rounds in {:.0?}: {acknowledged} paths acknowledged, {} of them to be kept; killed: {}; \
         {} paths downloaded and verified, {} visible",
        begun.elapsed(),
        kept.into_inner().unwrap().len(),
        world.kills(deaths.into_inner()),
        checked.downloads,
        visible(&world).len(),
    );
}

//! Real Nix pushes and downloads through kills of every process, while paths that no root needs are collected.
//!
//! `RNS_KILL_DOWNLOADS=1000` is the long form, with a push for every five downloads.

mod pushes;

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use rns_testing::{Client, Finished, Nix};

use super::{
    builds::{Build, builds},
    collector::Collector,
    visible::{Checked, visible},
    world::{Random, World, seed},
};
use crate::support::{PUBLIC_KEY, full, nixes, number, tls::given};

/// Projects that are built and pushed at the same time.
const PROJECTS: usize = 4;

/// Clients that download at the same time.
const READERS: usize = 6;

/// Downloads for one push.
const DOWNLOADS: usize = 5;

/// Commands of clients for each kill: with more kills, clients on a slow machine would never be done.
const COMMANDS: usize = 6;

/// The longest pause before something is killed.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// How long a client tries: a push through kills and collections takes a while on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(600);

/// A server may repeat an answer for so long.
const STALENESS: Duration = Duration::from_millis(1100);

/// A path is young for as long as so many pushes of a build take that nothing disturbs.
const YOUTH: u32 = 2;

/// And at least so long.
const MIN_YOUTH: Duration = Duration::from_secs(3);

/// Paths that no root needs go when they are not young any more.
fn collecting(youth: Duration) -> String {
    let youth = youth.as_secs();
    format!("[retention]\nkeep_roots = true\nmin_age = \"{youth}s\"\ninterval = \"1s\"")
}

/// Times are kept in whole seconds.
const SECOND: Duration = Duration::from_secs(1);

/// The release of a project that is certainly pinned. `None`: another one is just being pinned.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Released {
    build: Option<usize>,
    /// Counts changes.
    version: u64,
}

/// The things that all clients share.
struct Site<'a> {
    nixes: Vec<Nix>,
    /// The scheme, and host and port, of each listener.
    places: Vec<(&'static str, String)>,
    token: String,
    /// The root of the store that has the builds.
    store: &'a std::path::Path,
    builds: &'a [Build],
    releases: [Mutex<Released>; PROJECTS],
    /// Builds that were acknowledged, and when their push began.
    pushed: Mutex<Vec<(usize, Instant)>>,
    downloads: usize,
    tally: Tally,
}

/// The observations of clients.
#[derive(Default)]
struct Tally {
    /// Downloads that were begun, by a number that no other has.
    begun: AtomicUsize,
    /// Downloads that ended.
    ended: AtomicUsize,
    /// Downloads that brought everything.
    whole: AtomicUsize,
    /// Downloads of collected paths.
    gone: AtomicUsize,
    /// Commands of clients that failed since something was killed.
    cut_off: AtomicUsize,
    /// Pushes that began again, since a part of them was collected before the rest came.
    overtaken: AtomicUsize,
    /// Pushes that ended well.
    pushed: AtomicUsize,
    /// Pushers that were killed.
    killed: AtomicUsize,
}

impl Tally {
    /// Commands of clients that have ended.
    fn commands(&self) -> usize {
        let counters = [&self.ended, &self.cut_off, &self.overtaken, &self.pushed, &self.killed];
        counters.iter().map(|counter| counter.load(Relaxed)).sum()
    }
}

/// Why a command of a client failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// The wanted path is not there.
    Gone,
    /// Something was killed.
    CutOff,
}

/// Nix's words for wrong contents.
const TORN: [&str; 7] = [
    "hash mismatch",
    "bad archive",
    "unexpected end",
    "NAR hash",
    "corrupt",
    "decompress",
    "lacks a signature",
];

/// Nix's words for a missing object: a path, its NAR, a reference of a pushed path.
const GONE: [&str; 5] = [
    "does not exist",
    "is not valid",
    "HTTP error 404",
    "HTTP error 409",
    "no substituter that can build it",
];

/// Nix's words for a refusal, and there is no reason for one here.
const REFUSED: &str = "HTTP error 4";

/// Nix's words when a server was killed after the last byte of a NAR and before the end of its stream: it asks for the rest,
/// which is nothing.
const NO_REST: &str = "HTTP error 416";

/// Nix's words when it sent the head of an upload again and nothing of the body, as versions before 2.33 do when a server was killed.
const NO_BODY: &str = "HTTP error 408";

/// Nix's words when a server was not there, or could do nothing, for as long as it tried.
const CUT_OFF: [&str; 3] = ["unable to download", "unable to upload", "is disabled"];

fn failure(done: &Finished) -> Failure {
    let lines = done.stderr.lines().map(str::trim_start);
    let errors: Vec<_> = lines.filter(|line| line.starts_with("error:")).collect();
    let says =
        |texts: &[&str]| texts.iter().any(|text| errors.iter().any(|line| line.contains(text)));
    match () {
        () if says(&TORN) => panic!("torn: {}", done.stderr),
        () if says(&GONE) => Failure::Gone,
        () if says(&[NO_REST, NO_BODY]) => Failure::CutOff,
        () if !says(&[REFUSED]) && says(&CUT_OFF) => Failure::CutOff,
        () => panic!("it failed for another reason: {}", done.stderr),
    }
}

impl Site<'_> {
    /// A fresh machine, more often with the newer Nix.
    fn client(&self, random: &mut Random) -> Client {
        let nix =
            &self.nixes[self.nixes.len() - 1 - (random.below(4) / 3) as usize % self.nixes.len()];
        let client = nix.client().option("trusted-public-keys", PUBLIC_KEY);
        client.env("NIX_SSL_CERT_FILE", given("one.crt").to_str().unwrap())
    }

    /// Downloads until there were enough.
    fn read(&self, random: &mut Random) {
        while self.tally.begun.fetch_add(1, Relaxed) < self.downloads {
            self.download(random);
            self.tally.ended.fetch_add(1, Relaxed);
        }
    }

    /// Downloads the release of some project, or some build that may be gone, until that comes to an end.
    fn download(&self, random: &mut Random) {
        let deadline = Instant::now() + TIMEOUT;
        // A build that was not there although it must be: it is asked for once more.
        let mut missed: Option<(usize, String)> = None;
        loop {
            assert!(Instant::now() < deadline, "no download comes to its end");
            let slot = match &missed {
                Some((build, _)) => &self.releases[self.builds[*build].project],
                None => random.one_of(&self.releases),
            };
            let released = *slot.lock().unwrap();
            let some = match random.below(3) {
                0 if missed.is_none() => self.pushed.lock().unwrap().clone(),
                _ => Vec::new(),
            };
            let wanted = match (some.as_slice(), released.build) {
                ([], Some(build)) => build,
                ([], None) => {
                    // Another one is released by now.
                    missed = None;
                    thread::sleep(Duration::from_millis(50));
                    continue;
                }
                (some, _) => random.one_of(some).0,
            };
            missed = missed.filter(|(build, _)| *build == wanted);
            let build = &self.builds[wanted];
            let (scheme, place) = random.one_of(&self.places);
            let client = self.client(random);
            let top = full(build.top());
            let done = client.nix_command(["copy", "--from", &format!("{scheme}://{place}"), &top]);
            if done.status.success() {
                build.assert_whole(&client);
                self.tally.whole.fetch_add(1, Relaxed);
                return;
            }
            let must_be_there = released.build == Some(wanted) && *slot.lock().unwrap() == released;
            match failure(&done) {
                Failure::CutOff => _ = self.tally.cut_off.fetch_add(1, Relaxed),
                Failure::Gone if !must_be_there => {
                    self.tally.gone.fetch_add(1, Relaxed);
                    return;
                }
                Failure::Gone => {
                    if let Some((_, before)) = missed {
                        panic!(
                            "{top} is lost: {}, and before: {before}; the root of its project is {}",
                            done.stderr,
                            self.root_of(build.project)
                        );
                    }
                    missed = Some((wanted, done.stderr));
                    thread::sleep(STALENESS);
                }
            }
        }
    }
}

#[test]
fn real_clients_find_everything_whole_while_everything_is_killed_and_collected() {
    let nixes: Vec<_> = nixes().collect();
    if nixes.is_empty() {
        return;
    }
    let Some(mut world) = World::start("") else { return };
    let downloads = number("RNS_KILL_DOWNLOADS").unwrap_or(40) as usize;
    let each = downloads.div_ceil(DOWNLOADS * PROJECTS);
    let mut random = Random::new(seed());
    // One more of each is pushed in the end.
    let (store, builds) = builds(PROJECTS, each + 1, &mut random);
    let site = Site {
        nixes,
        places: world.places(),
        token: world.token.clone(),
        store: store.root(),
        builds: &builds,
        releases: Default::default(),
        pushed: Mutex::default(),
        downloads,
        tally: Tally::default(),
    };
    let largest = builds[..PROJECTS].iter().max_by_key(|build| build.size);
    let undisturbed = site.push(largest.unwrap(), &mut random).elapsed();
    let youth = (undisturbed * YOUTH).max(MIN_YOUTH);
    let retention = collecting(youth);
    world.restart_with(&retention);
    world.collector = Some(Collector::start(&world, &retention));
    let begun = Instant::now();
    let is_done = AtomicBool::new(false);
    let mut killer = random.fork();
    thread::scope(|scope| {
        let mut working = Vec::new();
        for project in 0..PROJECTS {
            let (site, mut random) = (&site, random.fork());
            working.push(scope.spawn(move || site.push_builds(project, each, &mut random)));
        }
        for _ in 0..READERS {
            let (site, mut random) = (&site, random.fork());
            working.push(scope.spawn(move || site.read(&mut random)));
        }
        let (world, done, tally) = (&mut world, &is_done, &site.tally);
        let is_due = |kills| tally.commands() >= kills * COMMANDS;
        let killing = scope.spawn(move || world.kill_until(done, is_due, MAX_PAUSE, &mut killer));
        let results: Vec<_> = working.into_iter().map(|client| client.join()).collect();
        is_done.store(true, Relaxed);
        killing.join().unwrap();
        results.into_iter().for_each(|result| result.unwrap());
    });
    // Young paths stay as well.
    let last = &builds[each * PROJECTS..];
    let young: Vec<_> = thread::scope(|scope| {
        let pushing = last.iter().map(|build| {
            let (site, mut random) = (&site, random.fork());
            scope.spawn(move || (site.push(build, &mut random), build))
        });
        let pushing: Vec<_> = pushing.collect();
        pushing.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let collections = world.collector.take().unwrap().end();
    let dead = world.restart_with("");
    let young: Vec<_> = young.iter().filter(|(begun, _)| dead - *begun < youth - SECOND).collect();
    let released = site.releases.iter().filter_map(|slot| slot.lock().unwrap().build);
    let released: Vec<_> = released.map(|build| &builds[build]).collect();
    let kept = released.iter().copied().chain(young.iter().map(|(_, build)| *build));
    let mut checked = Checked::new(true);
    checked.check(&world, kept.flat_map(Build::paths));
    let verified = checked.len();
    site.assert_no_fault(&world);
    // In the end the paths that the releases need are there, and no others.
    world.restart_with(&retention);
    let needed: BTreeSet<_> = released.iter().flat_map(|build| build.paths()).collect();
    let needed: BTreeSet<_> = needed.iter().map(|path| path.hash_part().to_string()).collect();
    let deadline = Instant::now() + TIMEOUT + youth;
    while !visible(&world).is_subset(&needed) {
        assert!(Instant::now() < deadline, "something is never collected");
        thread::sleep(Duration::from_millis(100));
    }
    world.restart_with("");
    checked.check(&world, released.iter().flat_map(|build| build.paths()));
    site.assert_no_fault(&world);
    site.assert_copied(&released);
    let ever: BTreeSet<_> = builds.iter().flat_map(Build::paths).collect();
    let count = |counter: &AtomicUsize| counter.load(Relaxed);
    let tally = &site.tally;
    eprintln!(
        "{:.0?}, min_age {youth:.0?}: {} downloads whole, {} of what was collected, {} pushes acknowledged, {} begun again since a part \
         was collected, {} commands cut off; killed: {}; {collections} collections by command; of {} paths {verified} \
         were visible, whole and verified, {} young builds among them, and then the {} of {} releases",
        begun.elapsed(),
        count(&tally.whole),
        count(&tally.gone),
        site.pushed.lock().unwrap().len() + last.len(),
        count(&tally.overtaken),
        count(&tally.cut_off),
        world.kills(count(&tally.killed)),
        ever.len(),
        young.len(),
        checked.len(),
        released.len(),
    );
}

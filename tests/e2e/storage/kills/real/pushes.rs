//! Pushes and pins of real clients, and the checks in the end.

use std::{
    process::Command,
    sync::atomic::Ordering::Relaxed,
    thread,
    time::{Duration, Instant},
};

use rns_testing::{Process, run};
use serde_json::Value;

use super::{DOWNLOADS, Failure, PROJECTS, Released, Site, TIMEOUT, failure};
use crate::{
    storage::kills::{
        builds::Build,
        world::{Random, World},
    },
    support::{full, tls::given},
};

/// How long a pusher lives at least that is killed.
const MIN_LIFE: u64 = 50;

/// And how much longer, in milliseconds.
const MAX_LIFE: u64 = 1000;

/// The outcome of an order to pin a build.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pinned {
    Yes,
    /// A part of it is gone.
    No,
    /// The same, after an order without an answer: the root may be this build, or the one before.
    Unclear,
}

impl Site<'_> {
    /// Pushes builds of a project one after the other, and pins those that are released. They are spread over the downloads.
    pub(super) fn push_builds(&self, project: usize, each: usize, random: &mut Random) {
        for number in 0..each {
            let turn = number.saturating_sub(1) * DOWNLOADS * PROJECTS;
            while self.tally.ended.load(Relaxed) < turn.min(self.downloads) {
                thread::sleep(Duration::from_millis(20));
            }
            let which = number * PROJECTS + project;
            let build = &self.builds[which];
            loop {
                let begun = self.push(build, random);
                self.pushed.lock().unwrap().push((which, begun));
                if !build.is_released || self.release(which, random) {
                    break;
                }
                self.tally.overtaken.fetch_add(1, Relaxed);
            }
        }
    }

    /// Pushes a build until that is acknowledged, with a fresh machine each time, as in CI. Returns when that push began.
    pub(super) fn push(&self, build: &Build, random: &mut Random) -> Instant {
        let deadline = Instant::now() + TIMEOUT;
        let top = full(build.top());
        let mut last = String::new();
        loop {
            assert!(Instant::now() < deadline, "{top} is never acknowledged: {last}");
            let (scheme, place) = random.one_of(&self.places);
            let compression = ["zstd", "none", "xz"][build.project % 3];
            let to = format!("{scheme}://ci:{}@{place}?compression={compression}", self.token);
            let client = self.client(random).with_root(self.store);
            let mut command = client.command("nix");
            command.args(["copy", "--no-check-sigs", "--to", &to, &top]);
            let begun = Instant::now();
            if random.below(8) == 0 {
                let pusher = Process::start(&mut command);
                thread::sleep(Duration::from_millis(MIN_LIFE + random.below(MAX_LIFE)));
                drop(pusher);
                self.tally.killed.fetch_add(1, Relaxed);
                continue;
            }
            let done = run(&mut command, TIMEOUT);
            if done.status.success() {
                self.tally.pushed.fetch_add(1, Relaxed);
                return begun;
            }
            let counter = match failure(&done) {
                Failure::Gone => &self.tally.overtaken,
                Failure::CutOff => &self.tally.cut_off,
            };
            counter.fetch_add(1, Relaxed);
            last = done.stderr;
        }
    }

    /// Makes a build the release of its project. `false`: a part of it is gone. Then the release is the one before, unless an order
    /// whose answer was lost may have taken its place.
    fn release(&self, which: usize, random: &mut Random) -> bool {
        let build = &self.builds[which];
        let slot = &self.releases[build.project];
        let set = |build| {
            let mut slot = slot.lock().unwrap();
            *slot = Released { build, version: slot.version + 1 };
        };
        let before = slot.lock().unwrap().build;
        set(None);
        let pinned = self.pin(build, random);
        set(match pinned {
            Pinned::Yes => Some(which),
            Pinned::No => before,
            Pinned::Unclear => None,
        });
        pinned == Pinned::Yes
    }

    /// The root of a project as the servers have it, for people.
    pub(super) fn root_of(&self, project: usize) -> String {
        let ask = |(scheme, place): &(&str, String)| {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "10"]);
            curl.arg("--cacert")
                .arg(given("one.crt"))
                .args(["--user", &format!("ci:{}", self.token)]);
            run(curl.arg(format!("{scheme}://{place}/gcroots/project/{project}")), TIMEOUT).text()
        };
        self.places.iter().map(ask).collect::<Vec<_>>().join(" ")
    }

    /// Pins a build, as CI does it.
    fn pin(&self, build: &Build, random: &mut Random) -> Pinned {
        let mut is_unclear = false;
        let deadline = Instant::now() + TIMEOUT;
        let client = self.client(random);
        let file = client.scratch().write("paths", full(build.top()));
        loop {
            assert!(Instant::now() < deadline, "{} is never pinned", build.top());
            let (scheme, place) = random.one_of(&self.places);
            let url = format!("{scheme}://{place}/gcroots/project/{}", build.project);
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--noproxy", "*", "--max-time", "100", "--cacert"]);
            curl.arg(given("one.crt")).args(["--user", &format!("ci:{}", self.token)]);
            curl.args(["--write-out", "\n%{http_code}", "--upload-file"]).arg(&file).arg(&url);
            let answer = run(&mut curl, TIMEOUT).text();
            match answer.lines().last() {
                Some("200") => return Pinned::Yes,
                Some("409") if is_unclear => return Pinned::Unclear,
                Some("409") => return Pinned::No,
                Some("000" | "100" | "500" | "501" | "503") | None => {
                    is_unclear = true;
                    self.tally.cut_off.fetch_add(1, Relaxed);
                    thread::sleep(Duration::from_millis(100));
                }
                Some(_) => panic!("{url}: {answer}"),
            }
        }
    }

    /// That the program finds no fault in the storage.
    pub(super) fn assert_no_fault(&self, world: &World) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rust-nix-serve"));
        command.args([
            "storage",
            "verify",
            "--content",
            "--json",
            "--storage",
            &world.bucket.url(),
        ]);
        command.env("AWS_SHARED_CREDENTIALS_FILE", &world.credentials);
        command.env("RUST_NIX_SERVE_INDEX_URL", world.database.url());
        let done = run(&mut command, TIMEOUT);
        let verified: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(verified["faults"], Value::Array(Vec::new()), "{verified:#}");
    }

    /// That every Nix gets the releases into a fresh store.
    pub(super) fn assert_copied(&self, released: &[&Build]) {
        let tops: Vec<_> = released.iter().map(|build| full(build.top())).collect();
        for (number, nix) in self.nixes.iter().enumerate() {
            let client = nix.client().option("trusted-public-keys", crate::support::PUBLIC_KEY);
            let client = client.env("NIX_SSL_CERT_FILE", given("one.crt").to_str().unwrap());
            let (scheme, place) = &self.places[number];
            let from = format!("{scheme}://{place}");
            let copy = ["copy", "--from", &from].map(str::to_owned);
            client.nix_command(copy.into_iter().chain(tops.clone())).success();
            let verify =
                ["store", "verify", "--recursive", "--sigs-needed", "1"].map(str::to_owned);
            client.nix_command(verify.into_iter().chain(tops.clone())).success();
            released.iter().for_each(|build| build.assert_whole(&client));
        }
    }
}

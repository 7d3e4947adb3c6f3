//! A store of which only the closure of a profile is shown: how soon that is known, its cost, and whether answers tell
//! hidden paths from missing ones.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::symlink,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::{
    bench::{Bench, OURS},
    http::{Connection, request},
    load::Load,
    measure::{Row, Subject, in_turns, median},
    process::memory,
    report::Goal,
    rows::start::{MISSING, store_of},
    servers::RustNixServe,
    store::database,
    wrk,
};

const EXPOSED: &str = "with a policy";
const HIDDEN: &str = "hidden";

/// Paths at the beginning of both closures whose narinfos are asked for.
const WARM: u64 = 64;

/// A store with a profile, and some of its paths by the number of their row: a path refers to all before it.
struct Lab {
    root: PathBuf,
    profile: PathBuf,
    /// The profile points to the first or to the second.
    large: String,
    small: String,
    /// Registered, there, and in no closure.
    hidden: String,
    warm: Vec<String>,
}

impl Lab {
    fn new(bench: &Bench) -> Result<Self> {
        let count = *bench.size.databases.last().unwrap_or(&1000);
        let root = store_of(bench, count)?;
        let path = |row: u64| database::path_of(&crate::store::database_of(&root), row);
        let (large, small, hidden) = (path(count / 10)?, path(count / 20)?, path(count / 2)?);
        let warm = (1..=WARM).map(path).collect::<Result<Vec<_>>>()?;
        for path in warm.iter().chain([&large, &small, &hidden]) {
            fs::create_dir_all(root.join("nix/store").join(path))?;
        }
        let profile = bench.scratch.path().join("profile");
        Ok(Self { root, profile, large, small, hidden, warm })
    }

    fn point_to(&self, path: &str) -> Result<()> {
        let next = self.profile.with_extension("next");
        symlink(format!("/nix/store/{path}"), &next)?;
        Ok(fs::rename(next, &self.profile)?)
    }

    fn server(&self, bench: &Bench, name: &str, policy: &str) -> Result<RustNixServe> {
        let scratch = bench.scratch.path();
        let mut server = RustNixServe::new(&bench.binary, scratch, name, &self.root)?;
        server.section(policy);
        Ok(server)
    }
}

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let lab = Lab::new(bench)?;
    lab.point_to(&lab.large)?;
    let policy = format!("[expose]\nroots = [{:?}]", lab.profile);
    let server = lab.server(bench, "exposing", &policy)?;
    known(bench, &lab, &server)?;
    let process = server.start(bench.scratch.path(), None)?;
    wait(server.address, &lab.large, 200)?;
    switched(bench, &lab, server.address)?;
    let used = memory(&[process.id()], "VmRSS");
    let everything = lab.server(bench, "everything", "")?;
    let plain = everything.start(bench.scratch.path(), None)?;
    hits(bench, &lab, [(everything.address, plain.id()), (server.address, process.id())])?;
    let count = bench.size.databases.last().unwrap_or(&1000) / 10;
    let what = format!("memory with a closure of {count} paths exposed");
    bench.goals.push(Goal::new(&what, "MiB", Some(used), 100.0, 60.0));
    indistinguishable(bench, &lab, server.address)
}

/// From the start to the first narinfo; until then the answer is 503.
fn known(bench: &mut Bench, lab: &Lab, server: &RustNixServe) -> Result<()> {
    let mut walls = Vec::new();
    for _ in 0..bench.size.rounds.min(3) {
        let start = Instant::now();
        let mut process = server.spawn(bench.scratch.path(), None)?;
        process.wait_for(|| (status(server.address, &lab.large)? == 200).then_some(()))?;
        walls.push(start.elapsed().as_secs_f64());
    }
    let count = bench.size.databases.last().unwrap_or(&1000) / 10;
    let what = format!("start to first narinfo, closure of {count} paths exposed");
    keep_time(bench, &what, median(walls), 2000.0, 500.0)
}

/// From the change of a profile to its effect, in both directions.
fn switched(bench: &mut Bench, lab: &Lab, address: SocketAddr) -> Result<()> {
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    for _ in 0..bench.size.rounds.max(3) {
        let start = Instant::now();
        lab.point_to(&lab.small)?;
        wait(address, &lab.large, 404)?;
        gone.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        lab.point_to(&lab.large)?;
        wait(address, &lab.large, 200)?;
        come.push(start.elapsed().as_secs_f64());
    }
    keep_time(
        bench,
        "a switched profile: the old closure is hidden",
        median(gone),
        2000.0,
        1000.0,
    )?;
    keep_time(bench, "a switched profile: the new closure is shown", median(come), 2000.0, 1000.0)
}

/// Narinfo hits with and without a policy.
fn hits(bench: &mut Bench, lab: &Lab, servers: [(SocketAddr, u32); 2]) -> Result<()> {
    let list = bench.scratch.path().join("exposed");
    wrk::list(&list, lab.warm.iter().map(|path| narinfo(path)))?;
    let seconds = bench.size.wrk_seconds;
    let subject = |name, (address, id)| {
        let list = &list;
        Subject::new(name, vec![id], move || wrk::run(address, 16, seconds, 200, list))
    };
    let [everything, exposed] = servers;
    let subjects = [subject(OURS, everything), subject(EXPOSED, exposed)];
    let row =
        in_turns("narinfo hits, 16 connections, all paths shown", bench.size.rounds, &subjects)?;
    drop(subjects);
    let ratio = row.result(EXPOSED).cpu_per_request() / row.result(OURS).cpu_per_request();
    let what = "narinfo hit with a policy, CPU per request";
    bench.keep(row, [Goal::new(what, "× without", Some(ratio), 1.1, 1.03)]);
    Ok(())
}

/// How long the answers to questions for a hidden and for a missing path take, asked in turns.
fn indistinguishable(bench: &mut Bench, lab: &Lab, address: SocketAddr) -> Result<()> {
    let mut connection = Connection::open(address)?;
    let questions = [request(MISSING, None), request(&narinfo(&lab.hidden), None)];
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..5000 * bench.size.rounds {
        for (question, times) in questions.iter().zip(&mut times) {
            let start = Instant::now();
            let (status, _) = connection.discard(question)?;
            times.push(start.elapsed().as_secs_f64());
            ensure!(status == 404, "{status}");
        }
    }
    times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    for (name, share) in
        [("10th percentile", 10), ("median", 50), ("90th percentile", 90), ("99th percentile", 99)]
    {
        let at = |times: &Vec<f64>| times[times.len() * share / 100];
        let [missing, hidden] = [at(&times[0]), at(&times[1])];
        let load = |wall| move || Ok(Load { wall, requests: 1, ..Load::default() });
        let subjects = [
            Subject::new("missing", Vec::new(), load(missing)),
            Subject::new(HIDDEN, Vec::new(), load(hidden)),
        ];
        let row: Row = in_turns(&format!("time of a 404, {name}"), 1, &subjects)?;
        let goal = (share == 50).then(|| {
            let ratio = (hidden / missing).max(missing / hidden);
            Goal::new("404 for a hidden path, median time", "× missing", Some(ratio), 1.05, 1.02)
        });
        bench.keep(row, goal);
    }
    Ok(())
}

fn keep_time(bench: &mut Bench, what: &str, wall: f64, must: f64, stretch: f64) -> Result<()> {
    let load = move || Ok(Load { wall, requests: 1, ..Load::default() });
    let row = in_turns(what, 1, &[Subject::new(OURS, Vec::new(), load)])?;
    bench.keep(row, [Goal::new(what, "ms", Some(wall * 1e3), must, stretch)]);
    Ok(())
}

fn narinfo(path: &str) -> String {
    format!("/{}.narinfo", &path[..32])
}

fn status(address: SocketAddr, path: &str) -> Option<u16> {
    let mut connection = Connection::open(address).ok()?;
    Some(connection.discard(&request(&narinfo(path), None)).ok()?.0)
}

fn wait(address: SocketAddr, path: &str, wanted: u16) -> Result<()> {
    let start = Instant::now();
    while status(address, path) != Some(wanted) {
        ensure!(start.elapsed() < Duration::from_secs(30), "never {wanted} for {path}");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

//! Two builds of rust-nix-serve in turns: the costs and gains of a change.
//!
//! Figures of two runs differ by more than most changes do. With one connection, client and server
//! take turns, and the kernel has both on one processor or wakes the other one for each request, which costs
//! three times as much: those rows hold both on one processor.

use std::{cell::RefCell, collections::HashMap, fmt::Write as _, fs, net::SocketAddr, path::Path};

use anyhow::{Context, Result};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use rns_formats::StoreDir;

use super::{narinfos, nars, private, ranges, tls};
use crate::{
    bench::Bench,
    h2load::{self, Version},
    http::request,
    load::{self, Load},
    measure::{Subject, in_turns},
    process::{Process, wait_until_idle},
    report::number,
    servers::{RustNixServe, free_address},
    store::Group,
    wrk,
};

const BEFORE: &str = "before";
const NOW: &str = "now";

/// One server of each build, with the same settings.
struct Pair {
    before: (SocketAddr, Process),
    now: (SocketAddr, Process),
}

/// The load of one measurement, on the server at an address.
type LoadOf<'a> = &'a dyn Fn(SocketAddr) -> Result<Load>;

impl Pair {
    fn start(
        bench: &Bench,
        before: &Path,
        name: &str,
        configure: impl Fn(&mut RustNixServe, &Path) -> Result<()>,
    ) -> Result<Self> {
        let start = |binary: &Path, which: &str| -> Result<_> {
            let scratch = bench.scratch.path();
            let name = format!("{which}-{name}");
            let mut server = RustNixServe::new(binary, scratch, &name, &bench.store.root())?;
            configure(&mut server, &scratch.join(format!("{name}-nars")))?;
            let process = server.start(scratch, None)?;
            Ok((server.address, process))
        };
        Ok(Self { before: start(before, BEFORE)?, now: start(&bench.binary, NOW)? })
    }

    fn both(&self) -> [(&'static str, SocketAddr, u32); 2] {
        [(BEFORE, &self.before), (NOW, &self.now)]
            .map(|(name, (address, process))| (name, *address, process.id()))
    }

    /// Sends these requests to each server once, and waits: later measurements find its caches filled.
    fn warm(&self, requests: &[Vec<u8>]) -> Result<()> {
        for (_, address, id) in self.both() {
            load::send(address, 4, 200, requests)?;
            wait_until_idle(&[id])?;
        }
        Ok(())
    }

    /// Measures both in turns. A load over one connection has client and server on one processor.
    fn measure(
        &self,
        bench: &mut Bench,
        what: &str,
        connections: usize,
        load: LoadOf<'_>,
    ) -> Result<()> {
        let subjects = self
            .both()
            .map(|(name, address, id)| Subject::new(name, vec![id], move || load(address)));
        let everywhere = sched_getaffinity(Pid::from_raw(0))?;
        if connections == 1 {
            self.hold_on(&first_of(&everywhere)?)?;
        }
        let what = format!("{what}, {connections} connections");
        let row = in_turns(&what, bench.size.rounds, &subjects);
        self.hold_on(&everywhere)?;
        drop(subjects);
        bench.rows.push(row?);
        Ok(())
    }

    /// Keeps this program and both servers on these processors.
    fn hold_on(&self, processors: &CpuSet) -> Result<()> {
        sched_setaffinity(Pid::from_raw(0), processors)?;
        for (.., id) in self.both() {
            for thread in fs::read_dir(format!("/proc/{id}/task"))? {
                let thread = thread?.file_name().to_string_lossy().parse()?;
                // A thread that has ended needs no place.
                _ = sched_setaffinity(Pid::from_raw(thread), processors);
            }
        }
        Ok(())
    }
}

fn first_of(processors: &CpuSet) -> Result<CpuSet> {
    let mut first = CpuSet::new();
    let lowest = (0..CpuSet::count()).find(|number| processors.is_set(*number).unwrap_or(false));
    first.set(lowest.context("no processor")?)?;
    Ok(first)
}

/// Measures the build `before` and the benchmark's own.
pub(crate) fn run(bench: &mut Bench, before: &Path) -> Result<()> {
    uncompressed(bench, before)?;
    compressed(bench, before)?;
    private_and_exposed(bench, before)?;
    encrypted(bench, before)
}

fn narinfo_requests(bench: &Bench) -> Vec<Vec<u8>> {
    bench.everyone().iter().map(|member| request(&member.narinfo(), None)).collect()
}

/// The requests so often that one pass takes about as long as others.
fn often(requests: &[Vec<u8>], times: usize) -> Vec<Vec<u8>> {
    requests.iter().cycle().take(requests.len() * times).cloned().collect()
}

fn uncompressed(bench: &mut Bench, before: &Path) -> Result<()> {
    let pair = Pair::start(bench, before, "plain", |_, _| Ok(()))?;
    let narinfos = narinfo_requests(bench);
    pair.warm(&narinfos)?;
    let many = often(&narinfos, 10);
    pair.measure(bench, "narinfos", 1, &|to| load::send(to, 1, 200, &many))?;
    let [hits, misses] = narinfos::lists(bench)?;
    let seconds = bench.size.wrk_seconds;
    for (kind, list, status) in [("hits", &hits, 200), ("misses", &misses, 404)] {
        for connections in [16, 128] {
            let load = |to| wrk::run(to, connections, seconds, status, list);
            pair.measure(bench, &format!("narinfo {kind}"), connections, &load)?;
        }
    }
    nars(bench, &pair, "none")?;
    let ranges = ranges::requests(bench)?;
    pair.measure(bench, "64 KiB ranges", 16, &|to| load::send(to, 16, 206, &ranges))
}

fn compressed(bench: &mut Bench, before: &Path) -> Result<()> {
    let pair = Pair::start(bench, before, "zstd", |server, nars| {
        server.compressing(nars);
        Ok(())
    })?;
    nars(bench, &pair, "zstd")
}

fn nars(bench: &mut Bench, pair: &Pair, compression: &str) -> Result<()> {
    let of = |group| -> Vec<Vec<u8>> {
        let members = bench.one(group);
        members.iter().map(|member| request(&member.nar(compression), None)).collect()
    };
    let groups = [of(Group::Closure), of(Group::Huge), of(Group::Tree)];
    let large: Vec<_> = nars::large(bench, compression, &bench.one(Group::Closure))
        .iter()
        .map(|member| request(&member.nar(compression), None))
        .collect();
    pair.warm(&groups.concat())?;
    let [closure, huge, tree] = &groups;
    for (what, requests, connections) in [
        ("closure", closure, 1),
        ("closure", closure, 4),
        ("closure", closure, 16),
        ("NARs over 300 KB", &large, 4),
        ("huge NAR", huge, 1),
        ("tree of small files", tree, 1),
    ] {
        let load = |to| load::send(to, connections, 200, requests);
        pair.measure(bench, &format!("{what}, {compression}"), connections, &load)?;
    }
    let Some(nix) = bench.nix.take() else { return Ok(()) };
    let top = StoreDir::default().print(&bench.store.top()?.path);
    let what = format!("nix copy of the closure, {compression}");
    let copied = pair.measure(bench, &what, 25, &|from| nix.copy(from, &top));
    bench.nix = Some(nix);
    copied
}

fn private_and_exposed(bench: &mut Bench, before: &Path) -> Result<()> {
    let scratch = bench.scratch.path().to_owned();
    let file = scratch.join("beside-tokens");
    let token = private::create(bench, &file)?;
    let narinfos: Vec<_> =
        narinfo_requests(bench).iter().map(|request| private::add(request, &token)).collect();
    let pair = Pair::start(bench, before, "token", |server, _| {
        server.section(&format!("[access]\ntokens = {file:?}\nanonymous = []"));
        Ok(())
    })?;
    pair.warm(&narinfos)?;
    let many = often(&narinfos, 10);
    let load = |to| load::send(to, 16, 200, &many);
    pair.measure(bench, "narinfo hits with a token", 16, &load)?;
    drop(pair);

    let profile = scratch.join("beside-profile");
    let top = StoreDir::default().print(&bench.store.top()?.path);
    std::os::unix::fs::symlink(top, &profile)?;
    let pair = Pair::start(bench, before, "policy", |server, _| {
        server.section(&format!("[expose]\nroots = [{profile:?}]"));
        Ok(())
    })?;
    for (_, _, id) in pair.both() {
        wait_until_idle(&[id])?;
    }
    let closure = bench.one(Group::Closure);
    let requests: Vec<_> = closure.iter().map(|path| request(&path.narinfo(), None)).collect();
    pair.warm(&requests)?;
    let list = scratch.join("beside-exposed");
    wrk::list(&list, closure.iter().map(|member| member.narinfo()))?;
    let seconds = bench.size.wrk_seconds;
    let load = |to| wrk::run(to, 16, seconds, 200, &list);
    pair.measure(bench, "narinfo hits with a policy", 16, &load)
}

fn encrypted(bench: &mut Bench, before: &Path) -> Result<()> {
    let scratch = bench.scratch.path().to_owned();
    let certificate = tls::certificate(&scratch)?;
    let addresses = RefCell::new(Vec::new());
    let pair = Pair::start(bench, before, "tls", |server, nars| {
        server.compressing(nars);
        server.section(&certificate.section());
        let address = free_address()?;
        server.listen(&format!("tls://{address}"));
        addresses.borrow_mut().push((server.address, address));
        Ok(())
    })?;
    pair.warm(&narinfo_requests(bench))?;
    let encrypted: HashMap<_, _> = addresses.into_inner().into_iter().collect();
    let list = scratch.join("beside-narinfos");
    wrk::list(&list, bench.everyone().iter().map(|member| member.narinfo()))?;
    let count = bench.size.tls_requests;
    for version in [Version::Http1, Version::Http2] {
        let load = |to| {
            let to = *encrypted.get(&to).context("no address with TLS")?;
            h2load::run(to, version, 16, count, &list)
        };
        pair.measure(bench, &format!("narinfo hits over TLS, {}", version.name()), 16, &load)?;
    }
    Ok(())
}

/// The table of all rows: wall time and processor time of a request, before and now.
pub(crate) fn table(bench: &Bench) -> String {
    let mut text = "| what | wall before | now | | CPU per request before | now | |\n\
                    |---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in &bench.rows {
        let (before, now) = (row.result(BEFORE), row.result(NOW));
        let wall = |outcome: &crate::measure::Outcome| outcome.wall / outcome.requests * 1e6;
        let [cpu_before, cpu_now] = [&before, &now].map(|outcome| outcome.cpu_per_request() * 1e6);
        _ = writeln!(
            text,
            "| {} | {} µs | {} µs | × {:.2} | {} µs | {} µs | × {:.2} |",
            row.what,
            number(wall(&before)),
            number(wall(&now)),
            wall(&now) / wall(&before),
            number(cpu_before),
            number(cpu_now),
            cpu_now / cpu_before,
        );
    }
    text
}

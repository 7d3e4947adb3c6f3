//! Narinfos: one after the other, and under load.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::{
    bench::{Bench, NGINX, NGINX_OPEN, OURS, cpu_ratio, wall_ratio},
    http::request,
    load::{self, Load},
    measure::{Subject, in_turns},
    process::wait_until_idle,
    report::Goal,
    store::contents::Contents,
    wrk,
};

/// All narinfos, some passes over one connection.
pub(crate) fn sequential(bench: &mut Bench) -> Result<()> {
    let requests = bench.everyone().iter().map(|member| request(&member.narinfo(), None)).collect();
    let (requests, passes) = bench.passes("none", 1, 200, requests)?;
    let subjects = bench.against_nginx("none", 1, 200, &requests);
    let row = in_turns("narinfo, sequentially over one connection", bench.size.rounds, &subjects)?;
    let row = row.divided_by(passes);
    drop(subjects);
    let goal =
        Goal::new("narinfo hit, sequential, wall", "× nginx", wall_ratio(&row, OURS), 0.9, 0.7);
    bench.keep(row, [goal]);
    Ok(())
}

/// Files of targets for wrk: narinfos that are there, and some that are not.
pub(crate) fn lists(bench: &Bench) -> Result<[PathBuf; 2]> {
    let hits = bench.scratch.path().join("hits");
    wrk::list(&hits, bench.everyone().iter().map(|member| member.narinfo()))?;
    let misses = bench.scratch.path().join("misses");
    let mut random = Contents::new(1);
    wrk::list(&misses, (0..5000).map(|_| format!("/{}.narinfo", hash_part(&mut random))))?;
    Ok([hits, misses])
}

/// nginx, nginx with `open_file_cache` and rust-nix-serve, each asked for random targets of a list.
pub(crate) fn under_load<'a>(
    bench: &Bench,
    compression: &str,
    connections: usize,
    status: u16,
    list: &'a Path,
) -> Vec<Subject<'a>> {
    let [ours, nginx, open] = bench.addresses(compression);
    let seconds = bench.size.wrk_seconds;
    let to = move |address: SocketAddr| {
        move || -> Result<Load> { wrk::run(address, connections, seconds, status, list) }
    };
    let workers = bench.nginx.process.workers();
    vec![
        Subject::new(NGINX, workers.clone(), to(nginx)),
        Subject::new(NGINX_OPEN, workers, to(open)),
        Subject::new(OURS, bench.ours(compression), to(ours)),
    ]
}

/// Random narinfos at 1, 16 and 128 connections: hits, then misses.
pub(crate) fn load(bench: &mut Bench) -> Result<()> {
    let [hits, misses] = lists(bench)?;
    for (kind, list, status) in [("hits", &hits, 200), ("misses", &misses, 404)] {
        for connections in [1, 16, 128] {
            let mut subjects = under_load(bench, "none", connections, status, list);
            if connections == 16 && status == 200 {
                // The least that this server can do: an answer that asks nothing of the store.
                let constant = bench.scratch.path().join("constant");
                wrk::list(&constant, std::iter::once("/nix-cache-info".to_owned()))?;
                let ([ours, ..], seconds) = (bench.addresses("none"), bench.size.wrk_seconds);
                subjects.push(Subject::new("constant answer", bench.ours("none"), move || {
                    wrk::run(ours, connections, seconds, status, &constant)
                }));
            }
            let what = format!("narinfo {kind}, {connections} connections");
            let row = in_turns(&what, bench.size.rounds, &subjects)?;
            drop(subjects);
            let ratio = cpu_ratio(&row, OURS);
            let goal = |must, stretch| {
                Goal::new(&format!("{what}, CPU per request"), "× nginx", ratio, must, stretch)
            };
            let goal = match (status, connections) {
                (_, 1) => None,
                (200, _) => Some(goal(0.8, 0.6)),
                _ => Some(goal(1.3, 0.8)),
            };
            bench.keep(row, goal);
        }
    }
    warm_everything(bench)
}

/// A hash part that no path has.
fn hash_part(random: &mut Contents) -> String {
    let digits = b"0123456789abcdfghijklmnpqrsvwxyz";
    (0..32).map(|_| char::from(digits[(random.next() % 32) as usize])).collect()
}

/// Leaves no narinfo to be rendered for the first time later on.
fn warm_everything(bench: &Bench) -> Result<()> {
    let requests: Vec<_> =
        bench.everyone().iter().map(|member| request(&member.narinfo(), None)).collect();
    for compression in ["none", "zstd"] {
        let [ours, ..] = bench.addresses(compression);
        load::send(ours, 4, 200, &requests)?;
        wait_until_idle(&bench.ours(compression))?;
    }
    Ok(())
}

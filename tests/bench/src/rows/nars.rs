//! NARs: every one of the closure, the huge one, the tree of small files.

use std::fs;

use anyhow::{Result, ensure};
use rns_formats::Sha256Hasher;

use crate::{
    bench::{Bench, FRONT, OURS, wall_ratio},
    http::{Connection, request},
    load,
    measure::{Subject, in_turns},
    report::Goal,
    store::{Group, Member},
};

/// From this length on a NAR counts as large behind nginx.
const LARGE: u64 = 300_000;

pub(crate) fn run(bench: &mut Bench, compression: &str) -> Result<()> {
    warm(bench, compression)?;
    let closure = bench.one(Group::Closure);
    for connections in [1, 4, 16] {
        let what = format!("closure, {compression}, {connections} connections");
        let (must, stretch) = if compression == "none" { (1.5, 1.1) } else { (1.2, 0.9) };
        pass(
            bench,
            &what,
            compression,
            &closure,
            connections,
            Some((must, stretch)),
            Some((2.0, 1.3)),
        )?;
    }
    if compression != "none" {
        let large = large(bench, compression, &closure);
        let what = format!("NARs over 300 KB, {compression}, 4 connections");
        pass(bench, &what, compression, &large, 4, None, Some((1.1, 1.0)))?;
    }
    let huge = bench.one(Group::Huge);
    pass(
        bench,
        &format!("one huge NAR, {compression}"),
        compression,
        &huge,
        1,
        Some((1.6, 1.2)),
        None,
    )?;
    let tree = bench.one(Group::Tree);
    pass(bench, &format!("tree of small files, {compression}"), compression, &tree, 1, None, None)?;
    if compression == "none" {
        tree_goal(bench, &tree);
    }
    Ok(())
}

/// The members whose compressed NAR is large.
pub(crate) fn large(bench: &Bench, compression: &str, members: &[Member]) -> Vec<Member> {
    let files = bench.store.statics(compression);
    let length = |member: &Member| fs::metadata(files.join(&member.nar(compression)[1..]));
    let is_large = |member: &&Member| length(member).is_ok_and(|file| file.len() > LARGE);
    members.iter().filter(is_large).cloned().collect()
}

/// Fetches everything once from each server, and checks it.
fn warm(bench: &Bench, compression: &str) -> Result<()> {
    let [ours, nginx, open] = bench.addresses(compression);
    let mut lengths = [0, 0, 0];
    for (address, sum) in [ours, nginx, open].into_iter().zip(&mut lengths) {
        let mut connection = Connection::open(address)?;
        for member in bench.everyone() {
            if member.group == Group::Other {
                continue;
            }
            let (mut hasher, mut length) = (Sha256Hasher::new(), 0);
            let target = member.nar(compression);
            let status = connection.read(&request(&target, None), |bytes| {
                length += bytes.len() as u64;
                if compression == "none" && address == ours {
                    hasher.update(bytes);
                }
            })?;
            ensure!(status == 200 && length > 0, "{status} with {length} bytes for {target}");
            if compression == "none" && address == ours {
                ensure!(
                    hasher.finish() == member.nar_hash,
                    "{target} has other bytes than registered"
                );
            }
            *sum += length;
        }
    }
    let [ours, nginx, _] = lengths.map(|length| length as f64);
    let apart = (ours / nginx - 1.0).abs();
    ensure!(apart < 0.02, "the sizes of {compression} NARs are {:.1} % apart", apart * 100.0);
    Ok(())
}

/// A row of some NARs, each fetched once, and its goals: direct, and behind nginx.
fn pass(
    bench: &mut Bench,
    what: &str,
    compression: &str,
    members: &[Member],
    connections: usize,
    direct: Option<(f64, f64)>,
    behind: Option<(f64, f64)>,
) -> Result<()> {
    let requests = members.iter().map(|member| request(&member.nar(compression), None)).collect();
    let (requests, passes) = bench.passes(compression, connections, 200, requests)?;
    let front = bench.nginx.front;
    let mut subjects = bench.against_nginx(compression, connections, 200, &requests);
    if compression != "none" {
        let mut both = bench.nginx.process.workers();
        both.extend(bench.ours(compression));
        let to = || load::send(front, connections, 200, &requests);
        subjects.push(Subject::new(FRONT, both, to));
    }
    let row = in_turns(what, bench.size.rounds, &subjects)?.divided_by(passes);
    drop(subjects);
    let goal = |name, kind: &str, limits: Option<(f64, f64)>| {
        let what = format!("{what}, {kind}, wall");
        limits.map(|(must, stretch)| {
            Goal::new(&what, "× nginx", wall_ratio(&row, name), must, stretch)
        })
    };
    let mut goals: Vec<Goal> = goal(OURS, "direct", direct).into_iter().collect();
    if compression != "none" {
        goals.extend(goal(FRONT, "behind nginx", behind));
    }
    bench.keep(row, goals);
    Ok(())
}

/// 5 µs for each file and half a second for each GiB.
fn tree_goal(bench: &mut Bench, tree: &[Member]) {
    let Some(row) = bench.rows.last() else { return };
    let (ours, files) = (row.result(OURS), bench.size.small_files as f64);
    let bytes: f64 = tree.iter().map(|member| member.nar_size as f64).sum();
    let allowed = files * 5e-6 + bytes / f64::from(1 << 30) * 0.5;
    let what = format!(
        "{files} files of {:.1} KiB on average, CPU ({:.2} µs per file, {:.2} s/GiB)",
        bytes / files / 1024.0,
        ours.cpu_per_request() / files * 1e6,
        ours.cpu / ours.bytes * f64::from(1 << 30)
    );
    let ratio = ours.cpu_per_request() / allowed;
    bench.goals.push(Goal::new(&what, "× (5 µs/file + 0.5 s/GiB)", Some(ratio), 1.0, 0.5));
}

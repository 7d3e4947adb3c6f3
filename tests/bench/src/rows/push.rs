//! Small paths by `rust-nix-serve push`, against real Nix with the same paths and the same server.

use std::{fs, net::SocketAddr, path::PathBuf, process::Command, time::Instant};

use anyhow::{Result, ensure};
use rns_formats::StoreDir;

use super::uploads::server;
use crate::{
    bench::{Bench, OURS},
    load::Load,
    measure::{Row, Subject, in_turns, medians_of},
    report::Goal,
    store::Group,
    wrk::children_seconds,
};

const NIX: &str = "nix copy";

/// To an empty directory each time.
pub(crate) fn small(bench: &mut Bench) -> Result<()> {
    let Some(nix) = bench.nix.take() else {
        eprintln!("push of small paths: skipped, NIX_2_34_BIN is not set");
        return Ok(());
    };
    let store_dir = StoreDir::default();
    let others = bench.one(Group::Other).into_iter().take(bench.size.small_paths);
    let paths: Vec<String> = others.map(|member| store_dir.print(&member.path)).collect();
    let what = format!("push of {} small paths", paths.len());
    let root = bench.store.root();
    let mut rounds: Vec<Row> = Vec::new();
    for _ in 0..bench.size.rounds {
        let scratch = crate::scratch::Scratch::below(bench.scratch.path())?;
        let (by_nix, nix_process, nix_directory) = server(bench, scratch.path(), "push-by-nix")?;
        let (by_us, our_process, our_directory) = server(bench, scratch.path(), "push-by-us")?;
        let all_there = |directory: &PathBuf| -> Result<()> {
            let nars = fs::read_dir(directory.join("nar"))?.count();
            ensure!(nars == paths.len(), "{nars} NARs were pushed");
            Ok(())
        };
        let copy = || {
            let load = nix.push(&root, by_nix.address, &paths)?;
            all_there(&nix_directory).map(|()| load)
        };
        let push = || {
            let load = push(bench, by_us.address, &paths)?;
            all_there(&our_directory).map(|()| load)
        };
        let subjects = [
            Subject::new(NIX, vec![nix_process.id()], copy),
            Subject::new(OURS, vec![our_process.id()], push),
        ];
        rounds.push(in_turns(&what, 1, &subjects)?);
    }
    bench.nix = Some(nix);
    let row = medians_of(rounds);
    let ratio = row.result(OURS).wall / row.result(NIX).wall;
    let what = format!("{what}, wall");
    bench.keep(row, [Goal::new(&what, "× nix copy", Some(ratio), 0.7, 0.6)]);
    Ok(())
}

/// Pushes with the program that is measured.
fn push(bench: &Bench, to: SocketAddr, paths: &[String]) -> Result<Load> {
    let mut command = Command::new(&bench.binary);
    command.args(["push", "--to", &format!("http://{to}"), "--store"]).arg(bench.store.root());
    let (start, before) = (Instant::now(), children_seconds()?);
    let output = command.args(paths).output()?;
    let wall = start.elapsed().as_secs_f64();
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "push has failed: {text}");
    let client_cpu = children_seconds()? - before;
    Ok(Load { wall, requests: paths.len() as u64, bytes: 0, client_cpu, busiest: 0.0 })
}

//! 64 KiB at random offsets of the huge NAR.

use anyhow::{Context, Result};

use crate::{
    bench::{Bench, NGINX, OURS},
    http::request,
    load,
    measure::{Subject, in_turns},
    report::Goal,
    store::{Group, contents::Contents},
};

const LENGTH: u64 = 64 << 10;
const CONNECTIONS: usize = 16;
/// With `tcp_nopush`, nginx leaves the last bytes of these answers waiting for the client's delayed
/// acknowledgement, some 20 to 40 ms.
const PUSHING: &str = "nginx, tcp_nopush off";

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let requests = requests(bench)?;
    let to = |address| {
        let requests = &requests;
        move || load::send(address, CONNECTIONS, 206, requests)
    };
    let [ours, nginx, _] = bench.addresses("none");
    let workers = bench.nginx.process.workers();
    let subjects = [
        Subject::new(NGINX, workers.clone(), to(nginx)),
        Subject::new(PUSHING, workers, to(bench.nginx.none_pushing)),
        Subject::new(OURS, bench.ours("none"), to(ours)),
    ];
    // The first of ours makes the layout of the NAR.
    (subjects[2].load)()?;
    let what = "64 KiB ranges of the huge NAR, none, 16 connections";
    let row = in_turns(what, bench.size.rounds, &subjects)?;
    drop(subjects);
    // Waiting costs processor time as well: the cheaper nginx counts.
    let nginx = row.result(NGINX).cpu.min(row.result(PUSHING).cpu);
    let what = "64 KiB range at a random offset of the huge NAR, none, CPU";
    let goal = Goal::new(what, "× nginx", Some(row.result(OURS).cpu / nginx), 1.3, 1.0);
    bench.keep(row, [goal]);
    Ok(())
}

/// Requests for ranges of the uncompressed huge NAR.
pub(crate) fn requests(bench: &Bench) -> Result<Vec<Vec<u8>>> {
    let huge = bench.one(Group::Huge).pop().context("there is no huge path")?;
    let mut random = Contents::new(2);
    let range = |_| {
        let first = random.next() % (huge.nar_size - LENGTH);
        request(&huge.nar("none"), Some((first, first + LENGTH - 1)))
    };
    Ok((0..bench.size.ranges).map(range).collect())
}

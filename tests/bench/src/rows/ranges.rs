//! 64 KiB at random offsets of the huge NAR.

use anyhow::{Context, Result};

use crate::{
    bench::{Bench, OURS, cpu_ratio},
    http::request,
    measure::in_turns,
    report::Goal,
    store::{Group, contents::Contents},
};

const LENGTH: u64 = 64 << 10;

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let huge = bench.one(Group::Huge).pop().context("there is no huge path")?;
    let mut random = Contents::new(2);
    let requests = (0..bench.size.ranges)
        .map(|_| {
            let first = random.next() % (huge.nar_size - LENGTH);
            request(&huge.nar("none"), Some((first, first + LENGTH - 1)))
        })
        .collect();
    let (requests, passes) = bench.passes("none", 1, 206, requests)?;
    let subjects = bench.against_nginx("none", 1, 206, &requests);
    let row = in_turns("64 KiB ranges of the huge NAR, none", bench.size.rounds, &subjects)?
        .divided_by(passes);
    drop(subjects);
    let what = "64 KiB range at a random offset of the huge NAR, none, CPU";
    let goal = Goal::new(what, "× nginx", cpu_ratio(&row, OURS), 1.3, 1.0);
    bench.keep(row, [goal]);
    Ok(())
}

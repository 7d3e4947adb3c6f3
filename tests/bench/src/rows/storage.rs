//! Objects of a directory in the layout of a binary cache: the one that nginx serves.

use anyhow::Result;

use crate::{
    bench::{Bench, OURS, cpu_ratio, wall_ratio},
    http::request,
    measure::in_turns,
    report::Goal,
    rows::narinfos,
    store::Group,
};

/// All rows, with the same requests as for the local store.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let targets = bench.serve_files()?;
    let requests: Vec<Vec<u8>> =
        bench.everyone().iter().map(|member| request(&member.narinfo(), None)).collect();
    pass(bench, "narinfos of a directory, sequentially", 1, requests)?;
    let [hits, misses] = narinfos::lists(bench)?;
    for (kind, list, status) in [("hits", &hits, 200), ("misses", &misses, 404)] {
        for connections in [16, 128] {
            let what = format!("narinfo {kind} of a directory, {connections} connections");
            let subjects = narinfos::under_load(bench, "storage", connections, status, list);
            let row = in_turns(&what, bench.size.rounds, &subjects)?;
            drop(subjects);
            let what = format!("{what}, CPU per request");
            let goal = Goal::new(&what, "× nginx", cpu_ratio(&row, OURS), 1.1, 0.9);
            bench.keep(row, [goal]);
        }
    }
    let nars = |group| -> Vec<Vec<u8>> {
        let targets = bench.everyone().iter().zip(&targets);
        let of_group = targets.filter(|(member, _)| member.group == group);
        of_group.map(|(_, target)| request(target, None)).collect()
    };
    let (closure, huge) = (nars(Group::Closure), nars(Group::Huge));
    for connections in [1, 4, 16] {
        let what = format!("closure of a directory, zstd, {connections} connections");
        pass(bench, &what, connections, closure.clone())?;
    }
    pass(bench, "one huge NAR of a directory, zstd", 1, huge)
}

fn pass(bench: &mut Bench, what: &str, connections: usize, requests: Vec<Vec<u8>>) -> Result<()> {
    let (requests, passes) = bench.passes("storage", connections, 200, requests)?;
    let subjects = bench.against_nginx("storage", connections, 200, &requests);
    let row = in_turns(what, bench.size.rounds, &subjects)?.divided_by(passes);
    drop(subjects);
    let goal = Goal::new(&format!("{what}, wall"), "× nginx", wall_ratio(&row, OURS), 1.1, 1.0);
    bench.keep(row, [goal]);
    Ok(())
}

//! Real Nix takes the whole closure into an empty store in memory.

use anyhow::{Result, ensure};
use rns_formats::StoreDir;

use crate::{
    bench::{Bench, NGINX, OURS},
    measure::{Subject, in_turns},
    report::Goal,
};

pub(crate) fn run(bench: &mut Bench, compression: &str) -> Result<()> {
    let Some(nix) = bench.nix.take() else {
        eprintln!("nix copy, {compression}: skipped, NIX_2_34_BIN is not set");
        return Ok(());
    };
    let top = StoreDir::default().print(&bench.store.top()?.path);
    let [ours, nginx, _] = bench.addresses(compression);
    let copy = |from| {
        let (nix, top, paths) = (&nix, &top, bench.size.closure);
        move || {
            let load = nix.copy(from, top)?;
            ensure!(load.requests >= paths, "only {} paths were copied", load.requests);
            Ok(load)
        }
    };
    let subjects = [
        Subject::new(NGINX, bench.nginx.process.workers(), copy(nginx)),
        Subject::new(OURS, bench.ours(compression), copy(ours)),
    ];
    let rounds = bench.size.rounds;
    let row = in_turns(&format!("nix copy of the closure, {compression}"), rounds, &subjects)?;
    drop(subjects);
    bench.nix = Some(nix);
    let ratio = row.result(OURS).wall / row.result(NGINX).wall;
    let what = format!("nix copy of the closure, {compression}, wall");
    bench.keep(row, [Goal::new(&what, "× nginx", Some(ratio), 1.05, 1.0)]);
    Ok(())
}

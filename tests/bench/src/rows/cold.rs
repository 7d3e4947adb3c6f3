//! A NAR that was never asked for as zstd: once, and by several clients at the same time.

use std::cell::Cell;

use anyhow::{Context, Result};

use crate::{
    bench::{Bench, OURS},
    http::request,
    load,
    measure::{Outcome, Row, Subject, in_turns},
    report::Goal,
    servers::RustNixServe,
    store::Group,
};

const PIPE: &str = "nix-store, sha256sum, zstd";
const CLIENTS: &str = "rust-nix-serve, 4 clients";

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let huge = bench.one(Group::Huge).pop().context("there is no huge path")?;
    let used = Cell::new(0);
    let cold = |clients: usize| -> Result<Outcome> {
        used.set(used.get() + 1);
        let name = format!("cold-{}", used.get());
        let nars = bench.scratch.path().join(format!("{name}-nars"));
        let mut server =
            RustNixServe::new(&bench.binary, bench.scratch.path(), &name, &bench.store.root())?;
        server.compressing(&nars);
        let process = server.start(bench.scratch.path(), None)?;
        let requests = vec![request(&huge.nar("zstd"), None); clients];
        let subject = Subject::new(OURS, vec![process.id()], || {
            load::send(server.address, clients, 200, &requests)
        });
        let row = in_turns("zstd cold", 1, &[subject])?;
        std::fs::remove_dir_all(nars)?;
        // Bytes of the NAR that have to be read and compressed.
        Ok(Outcome { bytes: huge.nar_size as f64 * clients as f64, ..row.result(OURS) })
    };
    let mut outcomes: Vec<[Outcome; 3]> = Vec::new();
    for _ in 0..bench.size.rounds.min(3) {
        let pipe = match &bench.nix {
            Some(nix) => {
                let start = std::time::Instant::now();
                let real = bench.store.root().join("nix/store").join(huge.path.as_str());
                let cpu = nix.pipe_seconds(&bench.store.root(), &real)?;
                let wall = start.elapsed().as_secs_f64();
                Outcome {
                    name: PIPE,
                    wall,
                    cpu,
                    requests: 1.0,
                    bytes: huge.nar_size as f64,
                    ..Outcome::default()
                }
            }
            None => Outcome { name: PIPE, ..Outcome::default() },
        };
        let one = cold(1)?;
        outcomes.push([pipe, one, Outcome { name: CLIENTS, ..cold(4)? }]);
    }
    outcomes.sort_by(|a, b| a[1].cpu.total_cmp(&b[1].cpu));
    let median = outcomes.swap_remove(outcomes.len() / 2);
    let [pipe, one, four] = &median;
    let ratio = (pipe.cpu > 0.0).then(|| one.cpu / pipe.cpu);
    let several = Some(four.cpu / one.cpu);
    let goals = [
        Goal::new("zstd cold, one huge NAR, CPU", "× the pipe", ratio, 1.15, 1.0),
        Goal::new("zstd cold, 4 clients at once, CPU", "× one client", several, 1.3, 1.1),
    ];
    let results = median.into_iter().filter(|outcome| outcome.cpu > 0.0).collect();
    let row = Row { what: "one huge NAR, zstd cold".to_owned(), results };
    bench.keep(row, goals);
    Ok(())
}

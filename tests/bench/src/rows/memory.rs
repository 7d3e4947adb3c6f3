//! Peak memory with 128 downloads at once, 8 of them of NARs that are not compressed yet.

use std::{thread, time::Instant};

use anyhow::{Context, Result, anyhow};

use crate::{
    bench::{Bench, OURS},
    http::{Connection, request},
    load::{self, Load},
    measure::{Subject, in_turns},
    report::Goal,
    servers::RustNixServe,
    store::Group,
};

const WARM: usize = 120;
const COLD: usize = 8;
/// After so many bytes a download of the huge NAR has served its purpose.
const ENOUGH: u64 = 24 << 20;

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let scratch = bench.scratch.path();
    let mut server = RustNixServe::new(&bench.binary, scratch, "memory", &bench.store.root())?;
    server.compressing(&scratch.join("memory-nars"));
    let process = server.start(scratch, None)?;
    let huge = bench.one(Group::Huge).pop().context("there is no huge path")?;
    let warm = [request(&huge.nar("none"), None), request(&huge.nar("zstd"), None)];
    load::send(server.address, 1, 200, &warm)?;
    let mut closure = bench.one(Group::Closure);
    closure.sort_by_key(|member| std::cmp::Reverse(member.nar_size));
    let cold: Vec<_> =
        closure.iter().take(COLD).map(|member| request(&member.nar("zstd"), None)).collect();
    let requests: Vec<&Vec<u8>> = warm.iter().cycle().take(WARM).chain(&cold).collect();
    let all = || -> Result<Load> {
        let start = Instant::now();
        let bytes = thread::scope(|scope| -> Result<u64> {
            let one =
                |request: &Vec<u8>| Connection::open(server.address)?.at_most(request, ENOUGH);
            let threads: Vec<_> =
                requests.iter().map(|request| scope.spawn(move || one(request))).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.map(|bytes| bytes.map_err(|_| anyhow!("a thread has panicked"))?).sum()
        })?;
        let wall = start.elapsed().as_secs_f64();
        Ok(Load { wall, requests: requests.len() as u64, bytes, ..Load::default() })
    };
    let subjects = [Subject::new(OURS, vec![process.id()], all)];
    let row = in_turns("128 downloads at once, 8 of them cold zstd", 1, &subjects)?;
    drop(subjects);
    let peak = row.result(OURS).peak;
    let what = "peak memory, 128 downloads at once, 8 of them cold";
    bench.keep(row, [Goal::new(what, "MiB", Some(peak), 200.0, 100.0)]);
    Ok(())
}

//! `benchmarks.md`: the part between two marks is written anew by each run, the rest belongs to people.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::{bench::Bench, chart, machine, report};

const BEGIN: &str = "<!-- written by tests/bench/run: begin -->\n";
const END: &str = "<!-- written by tests/bench/run: end -->\n";

const HEAD: &str = "# Benchmarks

`tests/bench/run` makes a store, a static `file://` cache of it, starts nginx and rust-nix-serve, and measures both in turns in one run.

";

/// Writes page and chart into `directory`.
pub(crate) fn write(directory: &Path, bench: &Bench) -> Result<()> {
    fs::create_dir_all(directory)?;
    let file = directory.join("benchmarks.md");
    let old = fs::read_to_string(&file).unwrap_or_else(|_| format!("{HEAD}{BEGIN}{END}"));
    let (before, rest) =
        old.split_once(BEGIN).context("benchmarks.md: the first mark is missing")?;
    let (_, after) = rest.split_once(END).context("benchmarks.md: the second mark is missing")?;
    let size = bench.size;
    let results = format!(
        "\n## Results\n\n{}- size: {} (closure of {} paths, {} other paths, a file of {} MiB, a tree of {} files), medians of {} rounds\n\n\
         ![how far along its limit each measurement is](benchmarks.svg)\n\n{}\n## Everything that was measured\n\n\
         nginx: 2 workers, sendfile, tcp_nopush, no access log, log_not_found off, open_file_cache off but for the rows that say so, \
         keep-alive without a limit of requests. \"(client)\" marks a wall time that the client decided, which no goal uses; \
         \"others\" is the share of the machine that other programs took meanwhile. Behind nginx, memory and CPU are those of both. \
         In the rows of the start-up, \"peak\" is the idle memory.\n\n{}\n",
        machine::describe(&bench.binary),
        size.name,
        size.closure,
        size.others,
        size.huge >> 20,
        size.small_files,
        size.rounds,
        report::goals(&bench.goals),
        report::rows(&bench.rows),
    );
    fs::write(&file, format!("{before}{BEGIN}{results}{END}{after}"))?;
    fs::write(directory.join("benchmarks.svg"), chart::svg(&bench.goals))?;
    eprintln!("\n{results}\nwritten to {}", directory.display());
    Ok(())
}

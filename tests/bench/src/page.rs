//! `benchmarks.md`: the part between two marks is written anew by each run, the rest belongs to people.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::{bench::Bench, chart, machine, report};

const BEGIN: &str = "<!-- written by tests/bench/run: begin -->\n";
const END: &str = "<!-- written by tests/bench/run: end -->\n";

const HEAD: &str = include_str!("page.md");

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
         {}\n{}\n",
        machine::describe(&bench.binary),
        size.name,
        size.closure,
        size.others,
        size.huge >> 20,
        size.small_files,
        size.rounds,
        report::goals(&bench.goals),
        include_str!("columns.md"),
        report::rows(&bench.rows),
    );
    fs::write(&file, format!("{before}{BEGIN}{results}{END}{after}"))?;
    fs::write(directory.join("benchmarks.svg"), chart::svg(&bench.goals))?;
    eprintln!("\n{results}\nwritten to {}", directory.display());
    Ok(())
}

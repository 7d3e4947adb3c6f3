//! Measures rust-nix-serve beside nginx: started by `tests/bench/run`, which says how.

mod bench;
mod chart;
mod client;
mod h2load;
mod http;
mod load;
mod machine;
mod measure;
mod page;
mod process;
mod report;
mod rows;
mod scratch;
mod servers;
mod size;
mod store;
mod wrk;

use std::{env, path::PathBuf};

use anyhow::{Context, Result, bail};

use crate::{bench::Bench, rows::ALL};

/// The arguments of the command line.
struct Arguments {
    size: size::Size,
    binary: PathBuf,
    cache: PathBuf,
    out: PathBuf,
    only: Vec<String>,
    /// Another build, which is measured instead of nginx.
    beside: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = arguments()?;
    std::fs::create_dir_all(&arguments.cache)?;
    let mut bench = Bench::start(arguments.size, &arguments.binary, &arguments.cache)?;
    if let Some(before) = &arguments.beside {
        rows::beside::run(&mut bench, before)?;
        println!("{}", rows::beside::table(&bench));
        return Ok(());
    }
    for (name, run) in ALL {
        if arguments.only.is_empty() || arguments.only.iter().any(|only| name.contains(only)) {
            run(&mut bench).with_context(|| name.to_owned())?;
        }
    }
    page::write(&arguments.out, &bench)
}

fn arguments() -> Result<Arguments> {
    let (mut size, mut only) = (size::FULL, Vec::new());
    let [mut binary, mut cache, mut out, mut beside] = [const { None }; 4];
    let mut rounds = None;
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word}: a value is missing"));
        match word.as_str() {
            "--smoke" => size = size::SMOKE,
            "--binary" => binary = Some(PathBuf::from(value()?).canonicalize()?),
            "--beside" => beside = Some(PathBuf::from(value()?).canonicalize()?),
            "--cache" => cache = Some(PathBuf::from(value()?)),
            "--out" => out = Some(PathBuf::from(value()?)),
            "--rounds" => rounds = Some(value()?.parse()?),
            "--only" => only.push(value()?),
            _ => bail!("not an argument: {word}; see tests/bench/run"),
        }
    }
    size.rounds = rounds.unwrap_or(size.rounds);
    Ok(Arguments {
        size,
        binary: binary.context("--binary is missing")?,
        cache: cache.context("--cache is missing")?,
        out: out.context("--out is missing")?,
        only,
        beside,
    })
}

//! wrk: requests for random targets of a list, as many as a server answers.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};

use crate::load::Load;

/// The script that picks targets at random.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/random-targets.lua");

/// Runs wrk with one thread for some seconds over the targets in the file `list`. With `status` 404 every answer
/// must be an error, or else none.
pub(crate) fn run(
    address: SocketAddr,
    connections: usize,
    seconds: u64,
    status: u16,
    list: &Path,
) -> Result<Load> {
    let (start, before) = (Instant::now(), children_seconds()?);
    let output = Command::new("wrk")
        .args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}"), "-s", SCRIPT])
        .arg(format!("http://{address}"))
        .arg("--")
        .arg(list)
        .output()
        .context("wrk is not installed")?;
    let client_cpu = children_seconds()? - before;
    let wall = start.elapsed().as_secs_f64();
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("bench: "));
    let line = line.with_context(|| format!("wrk did not report: {text}"))?;
    let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [requests, bytes, refused, broken] = numbers[..] else { anyhow::bail!("wrk: {line}") };
    ensure!(broken == 0, "wrk: {broken} connections broke");
    let expected = if status == 404 { requests } else { 0 };
    ensure!(refused == expected, "wrk: {refused} of {requests} answers were refusals");
    Ok(Load { wall, requests, bytes, client_cpu, busiest: client_cpu })
}

/// Writes a list of targets.
pub(crate) fn list(file: &Path, targets: impl Iterator<Item = String>) -> Result<()> {
    Ok(fs::write(file, targets.map(|target| target + "\n").collect::<String>())?)
}

/// Processor seconds of all children that have ended.
pub(crate) fn children_seconds() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let of = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(of(usage.user_time()) + of(usage.system_time()))
}

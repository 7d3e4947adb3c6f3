//! The machine and the programs of a measurement.

use std::{fs, path::Path, process::Command};

/// A list of lines for the head of the results.
pub(crate) fn describe(binary: &Path) -> String {
    let cpu =
        field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
    let memory: f64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let mut nginx = Command::new("nginx");
    nginx.arg("-v").env("PATH", path);
    let mut server = Command::new(binary);
    server.arg("--version");
    let lines = [
        ("date", said(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))),
        (
            "machine",
            format!(
                "{cores} × {cpu}, {:.0} GiB, shared by servers and clients",
                memory / 1048576.0
            ),
        ),
        ("kernel", kernel()),
        ("rust-nix-serve", format!("{}, commit {}", said(&mut server), commit())),
        ("nginx", said(&mut nginx)),
    ];
    lines.map(|(name, value)| format!("- {name}: {value}\n")).concat()
}

/// Its version, without a vendor's additions.
fn kernel() -> String {
    let release = said(Command::new("uname").arg("-r"));
    format!("Linux {}", release.split('-').next().unwrap_or_default())
}

fn commit() -> String {
    let mut git = Command::new("git");
    git.args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"]);
    said(&mut git)
}

/// The first line a program prints.
fn said(command: &mut Command) -> String {
    let Ok(output) = command.output() else { return "not known".to_owned() };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

//! The sandbox of the service, as systemd knows it.

use std::process::Stdio;

use rns_doctor::{Finding, FindingId, Outcome};
use tokio::task::spawn_blocking;

use crate::config::Loaded;

/// The unit.
const UNIT: &str = "rust-nix-serve.service";

/// Settings of a sandbox, and the values that mean that there is none.
const SANDBOX_SETTINGS: [(&str, &str); 4] = [
    ("NoNewPrivileges", "no"),
    ("ProtectSystem", "no"),
    ("ProtectHome", "no"),
    ("PrivateTmp", "no"),
];

pub(super) async fn check(_: &Loaded) -> Outcome {
    let show = || {
        let names = SANDBOX_SETTINGS.map(|(name, _)| name).join(",");
        let mut command = std::process::Command::new("systemctl");
        command.args(["show", UNIT, &format!("--property=LoadState,{names}")]);
        command.stdin(Stdio::null()).output()
    };
    let Ok(Ok(output)) = spawn_blocking(show).await else { return Outcome::NotApplicable };
    let text = String::from_utf8_lossy(&output.stdout);
    let is = |name: &str, value: &str| text.lines().any(|line| line == format!("{name}={value}"));
    // No systemd, or the server is run in another way.
    if !is("LoadState", "loaded") {
        return Outcome::NotApplicable;
    }
    let missing: Vec<&str> = SANDBOX_SETTINGS
        .iter()
        .filter(|(name, none)| is(name, none))
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        return Outcome::Sound(format!("{UNIT} has a sandbox"));
    }
    let lines: Vec<String> = missing
        .iter()
        .map(|name| format!("{name}={}", if *name == "ProtectSystem" { "strict" } else { "true" }))
        .collect();
    Outcome::wrong(Finding::new(
        FindingId::SandboxMissing,
        format!("{UNIT} runs without {}", missing.join(", ")),
        format!("systemctl edit {UNIT}: [Service] {}", lines.join(" ")),
    ))
}

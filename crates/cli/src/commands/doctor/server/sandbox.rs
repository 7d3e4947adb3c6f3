//! The sandbox of the service, as systemd knows it.

use rns_doctor::{Finding, FindingId, Outcome};

use super::unit::{UNIT, UnitSettings};
use crate::config::Loaded;

/// Settings of a sandbox, and the values that mean that there is none.
const SANDBOX_SETTINGS: [(&str, &str); 4] = [
    ("NoNewPrivileges", "no"),
    ("ProtectSystem", "no"),
    ("ProtectHome", "no"),
    ("PrivateTmp", "no"),
];

pub(super) async fn check(_: &Loaded) -> Outcome {
    let names = SANDBOX_SETTINGS.map(|(name, _)| name);
    let Some(settings) = UnitSettings::ask(&names).await else { return Outcome::NotApplicable };
    let missing: Vec<&str> = SANDBOX_SETTINGS
        .iter()
        .filter(|(name, none)| settings.is(name, none))
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

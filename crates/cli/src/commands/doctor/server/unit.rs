//! The unit of the service, as systemd knows it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tokio::task::spawn_blocking;

/// The unit.
pub(super) const UNIT: &str = "rust-nix-serve.service";

/// Directories of a unit that systemd makes, and where it makes them.
const MADE_DIRECTORIES: [(&str, &str); 4] = [
    ("StateDirectory", "/var/lib"),
    ("CacheDirectory", "/var/cache"),
    ("LogsDirectory", "/var/log"),
    ("RuntimeDirectory", "/run"),
];

/// Settings of the unit, by their names.
pub(super) struct UnitSettings(String);

impl UnitSettings {
    /// Asks systemd. `None`: there is none, or the server is run in another way.
    pub(super) async fn ask(names: &[&str]) -> Option<Self> {
        let properties = format!("--property=LoadState,{}", names.join(","));
        let show = move || {
            let mut command = Command::new("systemctl");
            command.args(["show", UNIT, &properties]).stdin(Stdio::null()).output()
        };
        let output = spawn_blocking(show).await.ok()?.ok()?;
        let settings = Self(String::from_utf8_lossy(&output.stdout).into_owned());
        settings.is("LoadState", "loaded").then_some(settings)
    }

    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.get(name) == Some(value)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    }

    fn words(&self, name: &str) -> impl Iterator<Item = &str> {
        self.get(name).unwrap_or_default().split_whitespace()
    }

    /// Asks for the settings that [`Self::keeps_read_only`] needs.
    pub(super) async fn ask_for_paths() -> Option<Self> {
        let made = MADE_DIRECTORIES.map(|(name, _)| name);
        Self::ask(&[&["ProtectSystem", "ReadWritePaths", "BindPaths"], &made[..]].concat()).await
    }

    /// Returns true if systemd makes this directory read-only for the service. Its owner does not matter.
    pub(super) fn keeps_read_only(&self, directory: &Path) -> bool {
        // `-` marks a path that may be missing, `+` one below the root directory of the service.
        let named = self.words("ReadWritePaths").map(|path| path.trim_start_matches(['-', '+']));
        let bound = self.words("BindPaths").flat_map(|paths| paths.split(':').nth(1));
        let made = MADE_DIRECTORIES.into_iter().flat_map(|(name, parent)| {
            let directories = self.words(name).filter_map(|path| path.split(':').next());
            directories.map(move |path| Path::new(parent).join(path))
        });
        let mut writable = named.chain(bound).map(PathBuf::from).chain(made);
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let directory = real(directory);
        self.is("ProtectSystem", "strict")
            && !writable.any(|writable| directory.starts_with(real(&writable)))
    }
}

//! One setting of Nix's own configuration files.

use std::{fs, path::PathBuf};

use crate::config::Environment;

/// The value of a setting in `NIX_CONFIG`, the user's `nix.conf` or that of the system: the first that sets it counts.
pub(super) fn setting(name: &str, environment: &Environment) -> Option<String> {
    let given = environment.get("NIX_CONFIG").map(str::to_owned);
    let files = files(environment).into_iter().filter_map(|file| fs::read_to_string(file).ok());
    given.into_iter().chain(files).find_map(|text| last_value(&text, name))
}

/// The directory of the system's configuration of Nix.
pub(super) fn system_directory(environment: &Environment) -> PathBuf {
    environment.get("NIX_CONF_DIR").unwrap_or("/etc/nix").into()
}

fn files(environment: &Environment) -> Vec<PathBuf> {
    let user = match environment.get("XDG_CONFIG_HOME") {
        Some(directory) => Some(PathBuf::from(directory)),
        None => environment.get("HOME").map(|home| PathBuf::from(home).join(".config")),
    };
    let user = user.map(|directory| directory.join("nix/nix.conf"));
    user.into_iter().chain([system_directory(environment).join("nix.conf")]).collect()
}

/// As in Nix, the last line that says it counts.
fn last_value(text: &str, name: &str) -> Option<String> {
    let lines = text.lines().rev().map(|line| line.split('#').next().unwrap_or_default());
    let mut settings = lines.filter_map(|line| line.split_once('='));
    let (_, value) = settings.find(|(key, _)| key.trim() == name)?;
    Some(value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_says_it_counts() {
        let text = "netrc-file = /a # old\n# netrc-file = /b\nnetrc-file=/c\nother = /d\n";
        assert_eq!(last_value(text, "netrc-file").as_deref(), Some("/c"));
        assert_eq!(last_value(text, "substituters"), None);
    }
}

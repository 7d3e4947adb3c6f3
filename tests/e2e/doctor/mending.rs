//! Doing as the line says that mends a finding.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rns_testing::{Finished, Scratch, run};

use super::{Diagnosis, Doctor};

/// The mark of a line of `nix.conf`.
const NIX_CONF: &str = "nix.conf: ";

/// A line without the remark behind it.
fn line_of(mend: &str) -> &str {
    mend.split("   # ").next().unwrap()
}

/// Takes a finding's line of `nix.conf` into its text.
#[track_caller]
pub(super) fn with_nix_conf_line(text: &str, mend: &str) -> String {
    let line = line_of(mend).strip_prefix(NIX_CONF);
    let line = line.unwrap_or_else(|| panic!("no line of nix.conf: {mend}"));
    match line.split_once(" in the place of ") {
        Some((new, old)) => {
            assert!(text.contains(old), "{old:?} is not in\n{text}");
            text.replace(old, new)
        }
        None => format!("{text}{line}\n"),
    }
}

/// Takes a finding's directive into the lines of an nginx, in the place of those of the same name.
#[track_caller]
pub(super) fn with_directive(lines: &str, mend: &str) -> String {
    let directive = line_of(mend).strip_prefix("nginx.conf: ");
    let directive = directive.unwrap_or_else(|| panic!("no line of nginx: {mend}"));
    // A header is a directive of its own.
    let name = |directive: &str| {
        let words: Vec<&str> = directive.split_whitespace().collect();
        let count = if words.first() == Some(&"proxy_set_header") { 2 } else { 1 };
        words.into_iter().take(count).map(str::to_owned).collect::<Vec<_>>()
    };
    let kept = lines.split_inclusive(';').filter(|other| name(other) != name(directive));
    format!("{} {directive}", kept.collect::<String>())
}

impl Diagnosis {
    /// Runs the command that mends the first finding, in a shell that has this program, and the configuration of a server.
    #[track_caller]
    pub(super) fn mend_in_shell(&self, config: Option<&Path>) -> Finished {
        self.mend_with(config, |_| {})
    }

    /// The same, with more in the environment of the shell.
    #[track_caller]
    pub(super) fn mend_with(
        &self,
        config: Option<&Path>,
        prepare: impl FnOnce(&mut Command),
    ) -> Finished {
        let programs = Scratch::new();
        symlink(env!("CARGO_BIN_EXE_rust-nix-serve"), programs.join("rust-nix-serve")).unwrap();
        symlink("/bin/true", programs.join("systemctl")).unwrap();
        let sudo = programs.write("sudo", "#!/bin/sh\nexec \"$@\"\n");
        fs::set_permissions(sudo, fs::Permissions::from_mode(0o755)).unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", self.mend()]);
        shell.env("PATH", format!("{}:{path}", programs.path().display()));
        if let Some(config) = config {
            shell.env("RUST_NIX_SERVE_CONFIG", config);
        }
        prepare(&mut shell);
        run(&mut shell, Duration::from_secs(60)).success()
    }
}

impl Doctor {
    /// Takes the line that mends the first finding into the nix.conf of this machine.
    #[track_caller]
    pub(super) fn mend_nix_conf(&self, diagnosis: &Diagnosis) {
        let file = self.scratch.join("nix.conf");
        let text = with_nix_conf_line(&fs::read_to_string(&file).unwrap(), diagnosis.mend());
        fs::write(file, text).unwrap();
    }
}

/// The netrc file that the first finding names, and its line for it with this token.
#[track_caller]
pub(super) fn netrc_line(diagnosis: &Diagnosis, token: &str) -> (PathBuf, String) {
    let mend = diagnosis.mend();
    let (file, line) = mend.split_once(": ").unwrap_or_else(|| panic!("no line of a file: {mend}"));
    (file.into(), line.replace("NAME", "ci").replace("TOKEN", token) + "\n")
}

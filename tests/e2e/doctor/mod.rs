//! `doctor`: names each fault by its id, and is silent where nothing is wrong.

mod addresses;
mod cases;
mod certificates;
mod client_files;
mod contents;
mod document;
mod faults;
mod fingerprints;
mod healthy;
mod memories;
mod mending;
mod proxies;
mod pushers;
mod samples;
mod server;
mod service;
mod unusual;

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::Command,
    time::Duration,
};

use rns_testing::{Scratch, run};
use serde_json::Value;

use crate::support::is_installed;

/// The program, on a machine of its own: its configuration of Nix, its home.
pub(crate) struct Doctor {
    pub(crate) command: Command,
    pub(crate) scratch: Scratch,
}

/// Its output.
#[derive(Debug)]
pub(crate) struct Diagnosis {
    pub(crate) code: i32,
    pub(crate) json: Value,
}

impl Doctor {
    /// A look at this cache.
    pub(crate) fn of(url: &str) -> Self {
        let doctor = Self::here();
        doctor.arg(url)
    }

    /// A look at the machine itself.
    pub(crate) fn here() -> Self {
        let scratch = Scratch::new();
        scratch.write("nix.conf", "substituters =\ntrusted-public-keys =\n");
        let mut command = Command::new(env!("CARGO_BIN_EXE_rust-nix-serve"));
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", scratch.path()).env("NIX_CONF_DIR", scratch.path());
        command.env("NIX_USER_CONF_FILES", "").args(["doctor", "--json"]);
        Self { command, scratch }
    }

    pub(crate) fn arg(self, arg: impl AsRef<std::ffi::OsStr>) -> Self {
        self.args([arg])
    }

    pub(crate) fn args(
        mut self,
        args: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>,
    ) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// With these lines in the configuration of Nix.
    pub(crate) fn nix_conf(self, text: &str) -> Self {
        self.scratch.write("nix.conf", text);
        self
    }

    /// With the store below this directory, whose paths are looked for in the cache.
    pub(crate) fn store(self, root: &Path) -> Self {
        self.arg("--store").arg(root)
    }

    /// With these texts in the place of files of the machine, for this process alone. `None` where the machine lets no test
    /// do that.
    pub(crate) fn with_mounted(self, files: &[(&str, &str)]) -> Option<Self> {
        if !is_installed("unshare") {
            return None;
        }
        let mounts = files.iter().map(|(file, text)| {
            let name = file.rsplit('/').next().unwrap();
            format!("mount --bind {} {file} && ", self.scratch.write(name, text).display())
        });
        let script: String = mounts.collect();
        self.behind(&script)
    }

    /// Started by a shell that runs these commands first, in a file system that only they see.
    pub(crate) fn behind(mut self, script: &str) -> Option<Self> {
        let shell = |then: &str| {
            let mut command = Command::new("unshare");
            command.args(["--mount", "--map-root-user", "sh", "-c"]).arg(format!("{script}{then}"));
            command
        };
        if !shell("true").status().is_ok_and(|status| status.success()) {
            eprintln!("skipped: this machine lets no test mount files");
            return None;
        }
        let mut command = shell("exec \"$@\"");
        command.arg("sh").arg(self.command.get_program()).args(self.command.get_args());
        command.env_clear();
        for (name, value) in self.command.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        self.command = command;
        Some(self)
    }

    /// As a user without any rights, so that permissions mean something also when the tests run as root.
    pub(crate) fn unprivileged(mut self) -> Self {
        const NOBODY: u32 = 65534;
        if !rustix::process::getuid().is_root() {
            return self;
        }
        // That user may not even reach the place where the program was built.
        let program = self.scratch.join("program");
        fs::copy(self.command.get_program(), &program).unwrap();
        fs::set_permissions(self.scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(program);
        command.env_clear().args(self.command.get_args()).uid(NOBODY).gid(NOBODY);
        for (name, value) in self.command.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command.current_dir("/").env("USER", "nobody");
        self.command = command;
        self
    }

    pub(crate) fn run(mut self) -> Diagnosis {
        self.look()
    }

    /// A look that is not the last one.
    pub(crate) fn look(&mut self) -> Diagnosis {
        let finished = run(&mut self.command, Duration::from_secs(120));
        let json = serde_json::from_slice(&finished.stdout);
        let json = json.unwrap_or_else(|error| panic!("{error}: {finished:?}"));
        Diagnosis { code: finished.status.code().unwrap(), json }
    }
}

impl Diagnosis {
    pub(crate) fn ids(&self) -> Vec<&str> {
        let findings = self.json["findings"].as_array().unwrap();
        findings.iter().map(|finding| finding["id"].as_str().unwrap()).collect()
    }

    /// That these things are wrong and nothing else.
    #[track_caller]
    pub(crate) fn names(&self, ids: &[&str]) {
        assert_eq!(self.ids(), ids, "{:#}", self.json);
        let is_away = ids.iter().any(|id| matches!(*id, "unreachable" | "name-unresolved"));
        let code = match ids {
            [] => 4,
            _ if is_away => 3,
            _ => 1,
        };
        assert_eq!(self.code, code, "{:#}", self.json);
        for finding in self.json["findings"].as_array().unwrap() {
            for part in ["what", "why", "mend"] {
                assert!(!finding[part].as_str().unwrap().is_empty(), "{finding:#}");
            }
        }
    }

    /// That this is wrong, and perhaps other things that come with it.
    #[track_caller]
    pub(crate) fn has(&self, id: &str) {
        assert!(self.ids().contains(&id), "{:#}", self.json);
    }

    /// That these checks saw something sound, and no other one did.
    #[track_caller]
    pub(crate) fn saw(&self, checks: &[&str]) {
        let sound = self.json["sound"].as_array().unwrap();
        let mut seen: Vec<&str> = sound.iter().map(|one| one["check"].as_str().unwrap()).collect();
        let mut checks = checks.to_owned();
        seen.sort_unstable();
        checks.sort_unstable();
        assert_eq!(seen, checks, "{:#}", self.json);
    }

    /// That nothing is wrong and everything was looked at.
    #[track_caller]
    pub(crate) fn is_silent(&self) {
        assert_eq!(self.ids(), [""; 0], "{:#}", self.json);
        assert_eq!(self.json["hints"], Value::Array(Vec::new()), "{:#}", self.json);
        assert_eq!(self.code, 0, "{:#}", self.json);
    }

    /// The line that mends the first finding.
    pub(crate) fn mend(&self) -> &str {
        self.json["findings"][0]["mend"].as_str().unwrap()
    }
}

//! A machine of its own for one Nix: store, home, configuration.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::Nix;
use crate::{Finished, Scratch, run};

/// How long one command of Nix may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Nix with a store, a home and a configuration that nothing else uses.
#[derive(Debug)]
pub struct Client {
    nix: Nix,
    scratch: Scratch,
    root: PathBuf,
    options: Vec<(String, String)>,
}

impl Client {
    pub(super) fn new(nix: Nix) -> Self {
        let scratch = Scratch::new();
        for directory in ["home", "conf", "cache", "tmp", "store"] {
            fs::create_dir(scratch.join(directory)).unwrap();
        }
        scratch.write(
            "conf/nix.conf",
            "build-users-group =\nsandbox = false\nsubstituters =\nfsync-metadata = false\n\
             experimental-features = nix-command flakes\n",
        );
        let root = scratch.join("store");
        Self { nix, scratch, root, options: Vec::new() }
    }

    /// Lets this Nix work on the store below another root.
    #[must_use]
    pub fn with_root(mut self, root: &Path) -> Self {
        self.root = root.to_owned();
        self
    }

    /// Sets an option for every command.
    #[must_use]
    pub fn option(mut self, name: &str, value: impl Into<String>) -> Self {
        self.options.push((name.to_owned(), value.into()));
        self
    }

    /// Substitutes from this cache, trusting these keys and nothing unsigned.
    #[must_use]
    pub fn substituting_from(self, url: &str, public_keys: &str) -> Self {
        self.option("substituters", url)
            .option("trusted-public-keys", public_keys)
            .option("require-sigs", "true")
    }

    /// Which Nix this is.
    #[must_use]
    pub const fn nix(&self) -> &Nix {
        &self.nix
    }

    /// The root of its store.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a store path is on disk, whether or not it is there.
    #[must_use]
    pub fn real_path(&self, store_path: &str) -> PathBuf {
        self.root.join(store_path.trim_start_matches('/'))
    }

    /// A directory of its own that is neither store nor home.
    #[must_use]
    pub const fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// One of Nix's programs, ready for arguments, working on this client's store.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.without_store(program);
        command.env("NIX_REMOTE", self.store_uri());
        command
    }

    /// The same without saying which store it works on.
    #[must_use]
    pub fn without_store(&self, program: &str) -> Command {
        let mut command = Command::new(self.nix.program(program));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.scratch.join("home"))
            .env("XDG_CACHE_HOME", self.scratch.join("cache"))
            .env("TMPDIR", self.scratch.join("tmp"))
            .env("NIX_CONF_DIR", self.scratch.join("conf"))
            .env("NIX_USER_CONF_FILES", "")
            .env("LC_ALL", "C")
            .current_dir(self.scratch.path());
        let config: String =
            self.options.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        command.env("NIX_CONFIG", config);
        command
    }

    /// The URI of this client's store.
    #[must_use]
    pub fn store_uri(&self) -> String {
        format!("local?root={}", self.root.display())
    }

    /// Runs one of Nix's programs to its end.
    pub fn run<A: AsRef<OsStr>>(
        &self,
        program: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Finished {
        run(self.command(program).args(arguments), PATIENCE)
    }

    /// Runs `nix` with these arguments to its end.
    pub fn nix_command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Finished {
        self.run("nix", arguments)
    }

    /// Substitutes (or builds) store paths.
    pub fn realise<A: AsRef<OsStr>>(&self, paths: impl IntoIterator<Item = A>) -> Finished {
        run(self.command("nix-store").arg("--realise").args(paths), PATIENCE)
    }

    /// The NAR that this Nix makes of a path on disk.
    #[must_use]
    pub fn dump(&self, path: &Path) -> Vec<u8> {
        run(self.command("nix-store").arg("--dump").arg(path), PATIENCE).success().stdout
    }
}

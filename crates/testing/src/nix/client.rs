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
const COMMAND_TIMEOUT: Duration = Duration::from_secs(300);

/// Nix with a store, a home and a configuration that nothing else uses.
#[derive(Debug)]
pub struct Client {
    nix: Nix,
    scratch: Scratch,
    place: StoreLocation,
    options: Vec<(String, String)>,
    environment: Vec<(String, String)>,
}

/// Where a client's store is.
#[derive(Debug)]
enum StoreLocation {
    /// Below a directory that Nix takes for `/`.
    Root(PathBuf),
    /// In this directory, with a logical store directory of its own: building there needs no privileges.
    Own(PathBuf),
}

impl Client {
    pub(super) fn new(nix: Nix) -> Self {
        let scratch = Scratch::new();
        for directory in ["home", "conf", "cache", "tmp", "store"] {
            fs::create_dir(scratch.join(directory)).unwrap();
        }
        let mut configuration =
            "build-users-group =\nsandbox = false\nsubstituters =\nfsync-metadata = false\n\
                                 experimental-features = nix-command flakes\n"
                .to_owned();
        // An unpacked Nix looks for this one where it would have been installed.
        let build_hook = nix.program("build-remote");
        if build_hook.is_file() {
            configuration.push_str(&format!("build-hook = {}\n", build_hook.display()));
        }
        scratch.write("conf/nix.conf", configuration);
        let place = StoreLocation::Root(scratch.join("store"));
        Self { nix, scratch, place, options: Vec::new(), environment: Vec::new() }
    }

    /// Lets this Nix work on the store below another root.
    #[must_use]
    pub fn with_root(mut self, root: &Path) -> Self {
        self.place = StoreLocation::Root(root.to_owned());
        self
    }

    /// Lets this Nix work on a store in a place of its own, which is also its logical store directory.
    /// Building there takes neither root nor a sandbox.
    #[must_use]
    pub fn with_own_store_dir(mut self) -> Self {
        self.place = StoreLocation::Own(self.scratch.join("own"));
        self
    }

    /// Sets an environment variable for every command.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
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

    /// The directory below which its store is: the root, or the place of its own.
    #[must_use]
    pub fn root(&self) -> &Path {
        match &self.place {
            StoreLocation::Root(root) | StoreLocation::Own(root) => root,
        }
    }

    /// Where a store path is on disk, whether or not it is there.
    #[must_use]
    pub fn real_path(&self, store_path: &str) -> PathBuf {
        let base = store_path.rsplit('/').next().unwrap();
        match &self.place {
            StoreLocation::Root(root) => root.join("nix/store").join(base),
            StoreLocation::Own(own) => own.join("store").join(base),
        }
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
        match &self.place {
            StoreLocation::Root(root) => {
                command.env("NIX_REMOTE", format!("local?root={}", root.display()))
            }
            StoreLocation::Own(own) => command
                .env("NIX_STORE_DIR", own.join("store"))
                .env("NIX_STATE_DIR", own.join("state"))
                .env("NIX_LOG_DIR", own.join("log")),
        };
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
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

    /// Runs one of Nix's programs to its end.
    pub fn run<A: AsRef<OsStr>>(
        &self,
        program: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Finished {
        run(self.command(program).args(arguments), COMMAND_TIMEOUT)
    }

    /// Runs `nix` with these arguments to its end.
    pub fn nix_command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Finished {
        self.run("nix", arguments)
    }

    /// Substitutes (or builds) store paths.
    pub fn realise<A: AsRef<OsStr>>(&self, paths: impl IntoIterator<Item = A>) -> Finished {
        run(self.command("nix-store").arg("--realise").args(paths), COMMAND_TIMEOUT)
    }

    /// The NAR that this Nix makes of a path on disk.
    #[must_use]
    pub fn dump(&self, path: &Path) -> Vec<u8> {
        run(self.command("nix-store").arg("--dump").arg(path), COMMAND_TIMEOUT).success().stdout
    }
}

//! Real Nix, when `NIX_2_34_BIN` names the directory of its programs.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Instant,
};

use anyhow::{Result, ensure};

use crate::{load::Load, scratch::Scratch, store, wrk::children_seconds};

pub(crate) struct Nix {
    bin: PathBuf,
    /// Homes and stores of clients, in memory where that is possible.
    scratch: Scratch,
    used: AtomicU32,
}

impl Nix {
    pub(crate) fn find() -> Result<Option<Self>> {
        let Some(bin) = env::var_os("NIX_2_34_BIN").map(PathBuf::from) else { return Ok(None) };
        ensure!(bin.join("nix-store").exists(), "NIX_2_34_BIN: no nix-store in {}", bin.display());
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { env::temp_dir() };
        Ok(Some(Self { bin, scratch: Scratch::below(&parent)?, used: AtomicU32::new(0) }))
    }

    /// One of its programs with a fresh home of its own, and that home.
    fn command(&self, program: &str) -> Result<(Command, PathBuf)> {
        let number = self.used.fetch_add(1, Ordering::Relaxed);
        let home = self.scratch.path().join(number.to_string());
        fs::create_dir_all(home.join("tmp"))?;
        let configuration = format!(
            "build-users-group =\nsubstituters =\nfsync-metadata = false\nrequire-sigs = true\n\
             trusted-public-keys = {}\nexperimental-features = nix-command\n",
            store::key()?.public_key()
        );
        fs::write(home.join("nix.conf"), configuration)?;
        let mut command = Command::new(self.bin.join(program));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", &home)
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("TMPDIR", home.join("tmp"))
            .env("NIX_CONF_DIR", &home)
            .env("NIX_USER_CONF_FILES", "")
            .stdin(Stdio::null());
        Ok((command, home))
    }

    /// Whether the store below `root` agrees with its database.
    pub(crate) fn verify(&self, root: &Path) -> Result<bool> {
        let (mut command, _) = self.command("nix-store")?;
        command.args(["--verify", "--check-contents", "--store"]);
        Ok(command.arg(format!("local?root={}", root.display())).status()?.success())
    }

    /// Copies the closure of a path into an empty store.
    pub(crate) fn copy(&self, from: SocketAddr, path: &str) -> Result<Load> {
        let (mut command, home) = self.command("nix")?;
        let root = home.join("root");
        let (start, before) = (Instant::now(), children_seconds()?);
        let output = command
            .args(["copy", "--from", &format!("http://{from}"), "--to"])
            .arg(format!("local?root={}", root.display()))
            .arg(path)
            .output()?;
        let text = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "nix copy has failed: {text}");
        let wall = start.elapsed().as_secs_f64();
        let requests = fs::read_dir(root.join("nix/store"))?.count() as u64 - 1;
        let client_cpu = children_seconds()? - before;
        ensure!(Command::new("rm").arg("-rf").arg(&home).status()?.success(), "rm has failed");
        Ok(Load { wall, requests, bytes: 0, client_cpu, busiest: 0.0 })
    }

    /// Copies these paths of the store below `root` to a cache.
    pub(crate) fn push(&self, root: &Path, to: SocketAddr, paths: &[String]) -> Result<Load> {
        let (mut command, home) = self.command("nix")?;
        let (start, before) = (Instant::now(), children_seconds()?);
        let output = command
            .args(["copy", "--from", &format!("local?root={}&read-only=true", root.display())])
            .args(["--extra-experimental-features", "read-only-local-store", "--no-check-sigs"])
            .args(["--to", &format!("http://{to}?compression=zstd")])
            .args(paths)
            .output()?;
        let wall = start.elapsed().as_secs_f64();
        let text = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "nix copy has failed: {text}");
        let client_cpu = children_seconds()? - before;
        ensure!(Command::new("rm").arg("-rf").arg(&home).status()?.success(), "rm has failed");
        Ok(Load { wall, requests: paths.len() as u64, bytes: 0, client_cpu, busiest: 0.0 })
    }

    /// Processor seconds of the usual pipe that makes a compressed NAR and its hash.
    pub(crate) fn pipe_seconds(&self, root: &Path, path: &Path) -> Result<f64> {
        let (command, home) = self.command("nix-store")?;
        let pipe = "set -o pipefail; \"$0\" --dump \"$1\" | tee >(sha256sum >sum) | zstd -q -3 --single-thread >out
             while [ ! -s sum ]; do sleep 0.01; done; rm out";
        let before = children_seconds()?;
        let mut bash = Command::new("bash");
        bash.args(["-c", pipe]).arg(command.get_program()).arg(path).current_dir(&home);
        bash.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        bash.env("NIX_REMOTE", format!("local?root={}", root.display()));
        ensure!(bash.status()?.success(), "the pipe of nix-store, sha256sum and zstd has failed");
        Ok(children_seconds()? - before)
    }
}

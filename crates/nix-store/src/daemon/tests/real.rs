//! The daemons of Nix 2.8 and 2.34, each with a store of its own in a temporary folder.
//!
//! `NIX_2_8_BIN` and `NIX_2_34_BIN` name the folders with their programs; without them these tests
//! say that they are skipped.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::daemon::{Connection, DaemonConfig, DaemonError, TempRoots, Unrooted};

/// A store with its daemon. Dropping ends the daemon.
struct RealNix {
    dir: tempfile::TempDir,
    programs: PathBuf,
    daemon: Option<Child>,
}

impl RealNix {
    /// Prepares a store for the programs that `variable` names.
    fn find(variable: &str) -> Option<Self> {
        let Some(programs) = std::env::var_os(variable) else {
            println!("skipped: {variable} is not set");
            return None;
        };
        let nix =
            Self { dir: tempfile::tempdir().unwrap(), programs: programs.into(), daemon: None };
        fs::create_dir(nix.dir.path().join("etc")).unwrap();
        // Without a state directory a daemon takes itself for a client of the socket it serves, and
        // forks without end.
        fs::create_dir(nix.dir.path().join("var")).unwrap();
        nix.configure("");
        Some(nix)
    }

    fn configure(&self, settings: &str) {
        let base = "build-users-group =\nsandbox = false\nsubstituters =\n";
        fs::write(self.dir.path().join("etc/nix.conf"), format!("{base}{settings}")).unwrap();
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    fn command(&self, program: &str) -> Command {
        let dir = self.dir.path();
        let mut command = Command::new(self.programs.join(program));
        command
            .env_clear()
            .env("HOME", dir)
            .env("NIX_STORE_DIR", dir.join("store"))
            .env("NIX_STATE_DIR", dir.join("var"))
            .env("NIX_LOG_DIR", dir.join("log"))
            .env("NIX_CONF_DIR", dir.join("etc"))
            .env("NIX_DAEMON_SOCKET_PATH", self.socket())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().trim_matches('"').to_owned()
    }

    fn start(&mut self) {
        let mut daemon = self.command("nix-daemon");
        daemon.stdout(Stdio::null()).stderr(Stdio::null());
        self.daemon = Some(daemon.spawn().unwrap());
        let begun = Instant::now();
        while UnixStream::connect(self.socket()).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "no daemon came up");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
        }
    }

    /// Adds a path that refers to another one, which is returned as well.
    fn add(&self, name: &str) -> (String, String) {
        let expression = format!(
            r#"builtins.toFile "{name}" "${{builtins.toFile "{name}-dependency" "{name}"}}""#
        );
        let evaluate = ["--eval", "--read-write-mode", "--expr", &expression];
        let path = self.run("nix-instantiate", &evaluate);
        let dependency = self.run("nix-store", &["--query", "--references", &path]);
        assert!(Path::new(&path).exists() && Path::new(&dependency).exists());
        (path, dependency)
    }

    fn collect_garbage(&self) {
        self.run("nix-store", &["--gc"]);
    }

    fn config(&self) -> DaemonConfig {
        let mut config = DaemonConfig::new(self.socket());
        // Generous, because tests run beside much else.
        config.deadline = Duration::from_secs(20);
        config.rotate_every = Duration::from_millis(300);
        config.retry_after = Duration::from_millis(50);
        config
    }
}

impl Drop for RealNix {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn a_held_path_survives_a_collection(variable: &str, protocol: &str) {
    let Some(mut nix) = RealNix::find(variable) else {
        return;
    };
    let (held, dependency) = nix.add("held");
    let (loose, _) = nix.add("loose");
    nix.start();

    let stream = tokio::net::UnixStream::connect(nix.socket()).await.unwrap();
    let mut connection = Connection::open(stream).await.unwrap();
    assert_eq!(connection.peer().protocol.to_string(), protocol);
    assert!(connection.peer().nix_version.is_some());
    assert!(connection.is_valid_path(&held).await.unwrap());

    let roots = TempRoots::new(nix.config());
    let root = roots.hold_full(held.as_str().into()).await;
    assert!(root.is_rooted());
    nix.collect_garbage();
    assert!(Path::new(&held).exists());
    assert!(Path::new(&dependency).exists());
    assert!(!Path::new(&loose).exists());
    assert!(!connection.is_valid_path(&loose).await.unwrap());

    drop(root);
    let begun = Instant::now();
    while Path::new(&held).exists() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it is never collected");
        nix.collect_garbage();
    }
    assert!(!Path::new(&dependency).exists());
}

async fn a_path_of_another_store_is_refused_and_harms_no_other(variable: &str) {
    let Some(mut nix) = RealNix::find(variable) else {
        return;
    };
    let (path, _) = nix.add("path");
    nix.start();
    let stream = tokio::net::UnixStream::connect(nix.socket()).await.unwrap();
    let mut connection = Connection::open(stream).await.unwrap();
    let refused = connection.add_temp_root("/elsewhere/x").await.unwrap_err();
    assert!(matches!(refused, DaemonError::Refused(_)), "{refused}");
    let refused = refused.to_string();
    assert!(
        refused.contains("/elsewhere/x") && refused.contains("not in the Nix store"),
        "{refused}"
    );
    assert!(!refused.contains('\u{1b}'));

    let roots = TempRoots::new(nix.config());
    let good = roots.hold_full(path.as_str().into()).await;
    let bad = roots.hold_full("/elsewhere/x".into()).await;
    assert!(good.is_rooted());
    assert_eq!(bad.why_unrooted(), Some(Unrooted::Refused));
    let (next, _) = nix.add("next");
    let next_root = roots.hold_full(next.as_str().into()).await;
    assert_eq!(next_root.why_unrooted(), None);
    nix.collect_garbage();
    assert!(Path::new(&path).exists() && Path::new(&next).exists());
}

async fn a_user_who_is_not_allowed_is_turned_away(variable: &str) {
    let Some(mut nix) = RealNix::find(variable) else {
        return;
    };
    nix.configure("trusted-users = nobody-at-all\nallowed-users = nobody-at-all\n");
    nix.start();
    let roots = TempRoots::new(nix.config());
    let root = roots.hold_full(nix.dir.path().join("store/x").to_str().unwrap().into()).await;
    assert_eq!(root.why_unrooted(), Some(Unrooted::Refused));
}

async fn c94_a_restarted_daemon_is_used_again(variable: &str) {
    let Some(mut nix) = RealNix::find(variable) else {
        return;
    };
    let (first, _) = nix.add("first");
    let (second, _) = nix.add("second");
    nix.start();
    let roots = TempRoots::new(nix.config());
    let kept = roots.hold_full(first.as_str().into()).await;
    assert!(kept.is_rooted());
    nix.stop();
    nix.start();
    // The connection that is open already has a process of its own and outlives the restart; once it
    // is too old, the next path needs a new one.
    tokio::time::sleep(Duration::from_millis(350)).await;
    let root = roots.hold_full(second.as_str().into()).await;
    assert!(root.is_rooted());
    nix.collect_garbage();
    assert!(Path::new(&first).exists());
    assert!(Path::new(&second).exists());
}

#[tokio::test]
async fn a_held_path_survives_a_collection_nix_2_8() {
    a_held_path_survives_a_collection("NIX_2_8_BIN", "1.34").await;
}

#[tokio::test]
async fn a_held_path_survives_a_collection_nix_2_34() {
    a_held_path_survives_a_collection("NIX_2_34_BIN", "1.38").await;
}

#[tokio::test]
async fn a_path_of_another_store_is_refused_and_harms_no_other_nix_2_8() {
    a_path_of_another_store_is_refused_and_harms_no_other("NIX_2_8_BIN").await;
}

#[tokio::test]
async fn a_path_of_another_store_is_refused_and_harms_no_other_nix_2_34() {
    a_path_of_another_store_is_refused_and_harms_no_other("NIX_2_34_BIN").await;
}

#[tokio::test]
async fn a_user_who_is_not_allowed_is_turned_away_nix_2_8() {
    a_user_who_is_not_allowed_is_turned_away("NIX_2_8_BIN").await;
}

#[tokio::test]
async fn a_user_who_is_not_allowed_is_turned_away_nix_2_34() {
    a_user_who_is_not_allowed_is_turned_away("NIX_2_34_BIN").await;
}

#[tokio::test]
async fn c94_a_restarted_daemon_is_used_again_nix_2_8() {
    c94_a_restarted_daemon_is_used_again("NIX_2_8_BIN").await;
}

#[tokio::test]
async fn c94_a_restarted_daemon_is_used_again_nix_2_34() {
    c94_a_restarted_daemon_is_used_again("NIX_2_34_BIN").await;
}

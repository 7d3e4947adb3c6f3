//! A real PostgreSQL as a process, reachable by a unix socket only.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt as _, chown},
        net::UnixStream,
    },
    path::PathBuf,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, geteuid, kill_process, test_kill_process};

use crate::{Process, Scratch, run};

/// How long the server may take to answer, and a cluster to be made.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How often it is tried whether it answers.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A running PostgreSQL with one empty database.
#[derive(Debug)]
pub struct PostgresServer {
    process: Option<Process>,
    programs: PathBuf,
    scratch: Scratch,
}

impl PostgresServer {
    /// Starts the server of the newest installed PostgreSQL. Without one, says that the test is skipped and returns `None`.
    #[must_use]
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("skipped: no PostgreSQL server; tests/run installs one");
            return None;
        };
        let scratch = Scratch::new();
        // PostgreSQL does not run as root: its files belong to the user that its package made.
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let data = scratch.join("data");
        fs::create_dir(&data).unwrap();
        let mut server = Self { process: None, programs, scratch };
        if geteuid().is_root() {
            let id = run(Command::new("id").args(["-u", "postgres"]), START_TIMEOUT).success();
            let id: u32 = String::from_utf8(id.stdout).unwrap().trim().parse().unwrap();
            chown(&data, Some(id), None).unwrap();
        }
        let mut command = server.program("initdb");
        command.args(["--auth=trust", "--username=test", "--no-sync", "-D"]).arg(&data);
        run(&mut command, START_TIMEOUT).success();
        server.restart();
        Some(server)
    }

    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        if geteuid().is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        }
    }

    /// Starts the server, again if it was stopped.
    pub fn restart(&mut self) {
        let data = self.scratch.join("data");
        let mut command = self.program("postgres");
        command.arg("-D").arg(&data).arg("-k").arg(&data).args(["-c", "listen_addresses=", "-F"]);
        self.process = Some(Process::start(&mut command));
        let deadline = Instant::now() + START_TIMEOUT;
        while UnixStream::connect(data.join(".s.PGSQL.5432")).is_err() {
            assert!(Instant::now() < deadline, "PostgreSQL does not answer");
            sleep(POLL_INTERVAL);
        }
        // It accepts connections a moment before it answers questions.
        let mut ready = self.program("pg_isready");
        ready.arg("-h").arg(&data);
        while !run(&mut ready, START_TIMEOUT).status.success() {
            assert!(Instant::now() < deadline, "PostgreSQL is not ready");
            sleep(POLL_INTERVAL);
        }
    }

    /// Ends the server at once, as a crash does.
    pub fn stop(&mut self) {
        let Some(process) = self.process.take() else { return };
        // It leaves the process group that it was started in.
        let pid = fs::read_to_string(self.scratch.join("data/postmaster.pid")).unwrap_or_default();
        let pid =
            pid.lines().next().and_then(|pid| pid.trim().parse().ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            _ = kill_process(pid, Signal::QUIT);
            let deadline = Instant::now() + START_TIMEOUT;
            while test_kill_process(pid).is_ok() && Instant::now() < deadline {
                sleep(POLL_INTERVAL);
            }
        }
        drop(process);
    }

    /// The URL of the database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres:///postgres?user=test&host={}", self.scratch.join("data").display())
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut versions: Vec<_> = versions.map(|entry| entry.unwrap().path().join("bin")).collect();
    versions.retain(|programs| programs.join("postgres").is_file());
    versions.sort();
    versions.pop()
}

//! A real PostgreSQL as a process, reachable by a unix socket only.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{
        fs::{PermissionsExt as _, chown},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::{Process, Scratch, orphans, run};

/// How long the server may take to answer, and a cluster to be made.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long one question may take that finds out whether it answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How often it is tried whether it answers.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

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
        command.arg("-D").arg(&data).arg("-k").arg(&data);
        // The machine does not crash, so nothing needs to reach the disk. Pages are written to the log all the same: a process
        // that is killed in the middle of a page writes half of it, which would be silent damage without that.
        command.args(["-F", "-c", "listen_addresses="]);
        let socket = data.join(".s.PGSQL.5432");
        let deadline = Instant::now() + START_TIMEOUT;
        orphans::server(&data.join("postmaster.pid"));
        let mut process = Process::start(&mut command);
        while !answers(&socket) {
            assert!(Instant::now() < deadline, "PostgreSQL does not answer: {}", process.stderr());
            sleep(POLL_INTERVAL);
            if !process.is_running() {
                // The last process of the one before may be a moment behind.
                process = Process::start(&mut command);
            }
        }
        self.process = Some(process);
    }

    /// Kills the server with all its processes.
    pub fn stop(&mut self) {
        self.end(|postmaster| {
            // Stopped, it starts none that is missed.
            _ = kill_process(postmaster, Signal::STOP);
            let mut all = children(postmaster);
            all.push(postmaster);
            for process in &all {
                _ = kill_process(*process, Signal::KILL);
            }
            all
        });
    }

    /// Waits for the processes that `kill` kills, given the first one.
    fn end(&mut self, kill: impl FnOnce(Pid) -> Vec<Pid>) {
        let Some(process) = self.process.take() else { return };
        // It may have left the process group that it was started in.
        let file = fs::read_to_string(self.scratch.join("data/postmaster.pid")).unwrap_or_default();
        let number = file.lines().next().and_then(|number| number.trim().parse().ok());
        if let Some(postmaster) = number.and_then(Pid::from_raw) {
            let killed = kill(postmaster);
            let deadline = Instant::now() + START_TIMEOUT;
            while killed.iter().any(|process| is_running(*process)) && Instant::now() < deadline {
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
        // Killed, it would leave its shared memory behind.
        self.end(|postmaster| {
            _ = kill_process(postmaster, Signal::QUIT);
            vec![postmaster]
        });
    }
}

/// Whether the server takes questions: while it recovers, it refuses them.
fn answers(socket: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket) else { return false };
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).unwrap();
    // Version 3.0 of the protocol, and who asks.
    let mut question = 196_608_u32.to_be_bytes().to_vec();
    question.extend(b"user\0test\0database\0postgres\0\0");
    let length = u32::try_from(question.len() + 4).unwrap().to_be_bytes();
    let mut kind = [0];
    stream.write_all(&[&length[..], &question].concat()).is_ok()
        && stream.read_exact(&mut kind).is_ok()
        && kind == *b"R"
}

/// The state of a process, and its parent.
fn stat(process: &str) -> Option<(String, i32)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut words = stat.rsplit_once(')')?.1.split_whitespace();
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}

/// Whether a process has not ended. One that its parent has not yet waited for has.
fn is_running(process: Pid) -> bool {
    stat(&process.as_raw_nonzero().to_string()).is_some_and(|(state, _)| state != "Z")
}

fn children(parent: Pid) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        let number = name.parse().ok()?;
        let (_, its_parent) = stat(&name)?;
        (its_parent == parent.as_raw_nonzero().get()).then(|| Pid::from_raw(number))?
    });
    processes.collect()
}

fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut versions: Vec<_> = versions.map(|entry| entry.unwrap().path().join("bin")).collect();
    versions.retain(|programs| programs.join("postgres").is_file());
    versions.sort();
    versions.pop()
}

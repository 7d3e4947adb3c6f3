//! Child processes that cannot outlive the test, cannot hang it, and keep their output.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::orphans;

/// A running process whose standard error is collected line by line. Killed, with the processes it
/// started, when dropped, and also when the test itself is killed.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: Arc<(Mutex<Vec<String>>, Condvar)>,
    /// Collects the lines; `None` once it was waited for.
    collector: Option<JoinHandle<()>>,
}

/// The status and output of a process that ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Everything it wrote to standard output.
    pub stdout: Vec<u8>,
    /// Everything it wrote to standard error.
    pub stderr: String,
}

impl Process {
    /// Starts the command in a process group of its own, without standard input.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        orphans::started(child.id());
        let lines = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let shared = Arc::clone(&lines);
        let collector = thread::spawn(move || {
            for line in stderr.split(b'\n').map_while(Result::ok) {
                shared.0.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
                shared.1.notify_all();
            }
        });
        Self { child, lines, collector: Some(collector) }
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything on standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        // A test that failed while it held the lock still wants to show the output.
        self.lines.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// The lines on standard error so far that `wanted` picks something from, as soon as there are `count`.
    ///
    /// # Panics
    /// When the process ends before that, or `within` has passed.
    pub fn wait_for_lines<T>(
        &mut self,
        count: usize,
        within: Duration,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let deadline = Instant::now() + within;
        loop {
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() {
                self.collect_the_rest();
            }
            let (lines, added) = &*self.lines;
            let lines = lines.lock().unwrap();
            let found: Vec<T> = lines.iter().filter_map(|line| wanted(line)).collect();
            if found.len() >= count {
                return found;
            }
            if let Some(status) = ended {
                panic!("the process ended with {status} and said:\n{}", lines.join("\n"));
            }
            assert!(
                Instant::now() < deadline,
                "after {within:?} the process has only said:\n{}",
                lines.join("\n")
            );
            drop(added.wait_timeout(lines, Duration::from_millis(20)).unwrap());
        }
    }

    /// Waits for one line on standard error that contains `text`, and returns it.
    ///
    /// # Panics
    /// When the process ends before that, or ten seconds have passed.
    pub fn wait_for_line(&mut self, text: &str) -> String {
        let wanted = |line: &str| line.contains(text).then(|| line.to_owned());
        self.wait_for_lines(1, Duration::from_secs(10), wanted).swap_remove(0)
    }

    /// Sends a signal to the process alone.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// The last output of a process may still be in the pipe when it has ended. A child of it may hold the pipe
    /// open, so this does not take longer than two seconds.
    fn collect_the_rest(&self) {
        let deadline = Instant::now() + Duration::from_secs(2);
        while self.collector.as_ref().is_some_and(|collector| !collector.is_finished())
            && Instant::now() < deadline
        {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the process to end by itself.
    ///
    /// # Panics
    /// When it has not ended `within` that time.
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.collect_the_rest();
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "still running after {within:?}:\n{}",
                self.stderr()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Resident memory in bytes.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Number of open file descriptors.
    #[must_use]
    pub fn open_files(&self) -> usize {
        let directory = format!("/proc/{}/fd", self.id());
        // Since Linux 6.2 the number is the directory's size. Only root may list the descriptors of a server.
        match fs::metadata(&directory).unwrap().len() {
            0 => fs::read_dir(directory).unwrap().count(),
            number => usize::try_from(number).unwrap(),
        }
    }

    /// Processor time spent so far, in clock ticks (hundredths of a second on Linux).
    #[must_use]
    pub fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let behind_name = stat.rsplit_once(')').unwrap().1;
        behind_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().unwrap())
            .sum()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.id().cast_signed()).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Also when the process itself is gone: those it started may not be.
        _ = kill_process_group(self.pid(), Signal::KILL);
        _ = self.child.kill();
        _ = self.child.wait();
        orphans::ended(self.id());
        if thread::panicking() {
            eprintln!("standard error of process {}:\n{}", self.id(), self.stderr());
        }
    }
}

/// Runs a command to its end.
///
/// # Panics
/// When it cannot be started, or has not ended `within` that time; it is killed then.
pub fn run(command: &mut Command, within: Duration) -> Finished {
    command.stdout(Stdio::piped());
    let mut process = Process::start(command);
    let mut stdout = process.child.stdout.take().unwrap();
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        _ = stdout.read_to_end(&mut bytes);
        bytes
    });
    let status = process.wait(within);
    let stdout = reader.join().unwrap();
    // Its last output may still be in the pipe when it has ended.
    if let Some(collector) = process.collector.take() {
        collector.join().unwrap();
    }
    Finished { status, stdout, stderr: process.stderr() }
}

impl Finished {
    /// Standard output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// This, if the process succeeded.
    ///
    /// # Panics
    /// With its output, if it failed.
    pub fn success(self) -> Self {
        assert!(self.status.success(), "{}\n{}\n{}", self.status, self.text(), self.stderr);
        self
    }

    /// This, if the process failed.
    ///
    /// # Panics
    /// With its output, if it succeeded.
    pub fn failure(self) -> Self {
        assert!(!self.status.success(), "it succeeded\n{}\n{}", self.text(), self.stderr);
        self
    }
}

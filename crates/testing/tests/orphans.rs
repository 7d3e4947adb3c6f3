//! Nothing outlives a test, not even one that is killed before it can end its processes.

use std::{
    collections::BTreeSet,
    env, fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rns_testing::{PostgresServer, Process, S3Server, run};
use rustix::process::Signal;

/// Set for the process that is killed.
const IS_KILLED: &str = "RNS_TEST_IS_KILLED";

/// The line that it says before.
const READY: &str = "everything is started";

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(120);

/// The processes that are there, with their parents; none that has ended.
fn processes() -> Vec<(u32, u32)> {
    let of = |name: String| {
        let stat = fs::read_to_string(format!("/proc/{name}/stat")).ok()?;
        let mut words = stat.rsplit_once(')')?.1.split_whitespace();
        let state = words.next()?;
        let parent = words.next()?.parse().ok()?;
        (state != "Z").then_some((name.parse().ok()?, parent))
    };
    let entries = fs::read_dir("/proc").into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(of).collect()
}

/// All processes that a process has started, and their children.
fn descendants(ancestor: u32) -> BTreeSet<u32> {
    let (all, mut found) = (processes(), BTreeSet::from([ancestor]));
    loop {
        let more = all.iter().filter(|(id, parent)| found.contains(parent) && !found.contains(id));
        let more: Vec<u32> = more.map(|(id, _)| *id).collect();
        if more.is_empty() {
            found.remove(&ancestor);
            return found;
        }
        found.extend(more);
    }
}

/// Does nothing, unless the test below starts it in order to kill it.
#[test]
fn a_test_that_does_not_end() {
    if env::var_os(IS_KILLED).is_none() {
        return;
    }
    let sleep = || {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & wait"]);
        Process::start(&mut command)
    };
    // Fixtures are also started by threads that end.
    let _sleeping = [sleep(), thread::spawn(sleep).join().unwrap()];
    drop(sleep());
    run(&mut Command::new("true"), PATIENCE).success();
    let _servers = (PostgresServer::start(), S3Server::start());
    eprintln!("{READY}");
    loop {
        thread::park();
    }
}

#[test]
fn what_a_killed_test_has_started_ends() {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "a_test_that_does_not_end", "--nocapture"]).env(IS_KILLED, "1");
    command.stdout(std::process::Stdio::null());
    let mut test = Process::start(&mut command);
    test.wait_for_lines(1, PATIENCE, |line| line.contains(READY).then_some(()));
    let started = descendants(test.id());
    assert!(started.len() >= 5, "two shells, what they wait for, and the one that ends them");
    test.signal(Signal::KILL);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let running: BTreeSet<u32> = processes().into_iter().map(|(id, _)| id).collect();
        let left: Vec<_> = started.intersection(&running).collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "they are still there: {left:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

//! `rust-nix-serve storage gc`, again and again, until it is killed, and then again.

use std::{
    fs,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rns_testing::Process;

use super::{TIMEOUT, world::World};

/// How often it is looked whether a collection has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Collects beside the servers.
pub(super) struct Collector {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    running: Mutex<Option<Process>>,
    is_over: AtomicBool,
    ended: AtomicUsize,
}

impl Collector {
    pub(super) fn start(world: &World, retention: &str) -> Self {
        let config = world.scratch.join("gc.toml");
        fs::write(&config, format!("{}\n{retention}", world.storage())).unwrap();
        let credentials = world.credentials.clone();
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            while !its.is_over.load(Relaxed) {
                let mut command = Command::new(env!("CARGO_BIN_EXE_rust-nix-serve"));
                command.args(["storage", "gc", "-c"]).arg(&config).stdout(Stdio::null());
                command.env("AWS_SHARED_CREDENTIALS_FILE", &credentials);
                *its.running.lock().unwrap() = Some(Process::start(&mut command));
                its.wait();
            }
        });
        Self { shared, thread }
    }

    /// Kills the collection that runs. Returns whether one did.
    pub(super) fn kill(&self) -> bool {
        self.shared.running.lock().unwrap().take().is_some()
    }

    /// Kills the collection that runs, and begins no other one. Returns the number of those that came to their end.
    pub(super) fn end(self) -> usize {
        self.shared.is_over.store(true, Relaxed);
        self.kill();
        self.thread.join().unwrap();
        self.shared.ended.load(Relaxed)
    }
}

impl Shared {
    /// Waits until the collection has ended, or was killed.
    fn wait(&self) {
        let looks = TIMEOUT.as_millis() / POLL_INTERVAL.as_millis();
        for _ in 0..looks {
            thread::sleep(POLL_INTERVAL);
            let mut running = self.running.lock().unwrap();
            let Some(process) = running.as_mut() else { return };
            if !process.is_running() {
                // It fails while bucket or database are away, or another one collects.
                let status = process.wait(TIMEOUT);
                self.ended.fetch_add(usize::from(status.success()), Relaxed);
                *running = None;
                return;
            }
        }
        panic!("a collection does not end");
    }
}

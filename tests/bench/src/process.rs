//! Processes that this program has started, their cost, and their end.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    time::{ClockId, clock_getcpuclockid, clock_gettime},
    unistd::Pid,
};

/// A process that ends with this value.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it; its output goes to the file `log`.
    pub(crate) fn start(command: &Command, log: PathBuf) -> Result<Self> {
        let file = fs::File::create(&log)?;
        let program = command.get_program().to_owned();
        // Nothing is left running when this program is killed.
        let mut tied = Command::new("setpriv");
        tied.args(["--pdeathsig", "TERM"]).arg(&program).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => tied.env(name, value),
                None => tied.env_remove(name),
            };
        }
        let child = tied
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, log })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` gives a value.
    pub(crate) fn wait_for<T>(&mut self, ready: impl Fn() -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(value) = ready() {
                return Ok(value);
            }
            let ended = self.child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                bail!("a server did not start ({ended:?}):\n{log}");
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// Waits until it has forked so many processes.
    pub(crate) fn wait_for_workers(&mut self, count: usize) -> Result<()> {
        let id = self.id();
        self.wait_for(|| (children_of(id).len() == count).then_some(()))
    }

    /// The processes it has forked.
    pub(crate) fn workers(&self) -> Vec<u32> {
        children_of(self.id())
    }
}

fn children_of(id: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = kill(Pid::from_raw(self.id() as i32), Signal::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Seconds of processor time that these processes have spent, those of ended threads included.
pub(crate) fn cpu_seconds(processes: &[u32]) -> Result<f64> {
    let mut sum = 0.0;
    for id in processes {
        sum += seconds(clock_getcpuclockid(Pid::from_raw(*id as i32))?)?;
    }
    Ok(sum)
}

/// Waits until these processes have nothing to do: a server compresses soon after the narinfo was asked for.
pub(crate) fn wait_until_idle(processes: &[u32]) -> Result<()> {
    const QUIET: Duration = Duration::from_millis(500);
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        let before = cpu_seconds(processes)?;
        std::thread::sleep(QUIET);
        if cpu_seconds(processes)? - before < 0.02 * QUIET.as_secs_f64() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("a server is never idle");
        }
    }
}

/// Seconds of processor time that the calling thread has spent.
pub(crate) fn own_thread_seconds() -> f64 {
    seconds(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap_or_default()
}

fn seconds(clock: ClockId) -> Result<f64> {
    let time = clock_gettime(clock)?;
    Ok(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}

/// One number of `/proc/ID/status` in MiB, summed over processes: `VmHWM` (peak), `VmRSS`, `RssAnon`.
pub(crate) fn memory(processes: &[u32], field: &str) -> f64 {
    let of = |id: &u32| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        number.unwrap_or_default() / 1024.0
    };
    processes.iter().map(of).sum()
}

/// Lets the peak begin anew.
pub(crate) fn forget_peak(processes: &[u32]) {
    for id in processes {
        _ = fs::write(format!("/proc/{id}/clear_refs"), "5");
    }
}

/// Seconds that all processors of the machine have worked since it started, for any process.
pub(crate) fn machine_seconds() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<f64> =
        line.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    // Without idle, waiting for input and output, and the time of guests, which is counted twice.
    let busy = ticks.iter().enumerate().filter(|(index, _)| ![3, 4, 8, 9].contains(index));
    busy.map(|(_, ticks)| ticks).sum::<f64>() / 100.0
}

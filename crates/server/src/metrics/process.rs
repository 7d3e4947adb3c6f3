//! Metrics of this process, read from `/proc/self`.

use std::fs;

/// Clock ticks in a second as `/proc` counts them: the kernel's `USER_HZ`, 100 on every machine
/// that Nix runs on.
const TICKS: f64 = 100.0;

#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    pub(super) resident_bytes: u64,
    pub(super) open_descriptors: u64,
    pub(super) cpu_seconds: f64,
}

/// None where `/proc` is hidden from the process.
pub(super) fn read() -> Option<Process> {
    Some(Process {
        resident_bytes: resident_bytes(&fs::read_to_string("/proc/self/status").ok()?)?,
        open_descriptors: open_descriptors()?,
        cpu_seconds: cpu_seconds(&fs::read_to_string("/proc/self/stat").ok()?)?,
    })
}

fn resident_bytes(status: &str) -> Option<u64> {
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let number = kibibytes.trim().strip_suffix("kB")?.trim();
    Some(number.parse::<u64>().ok()? << 10)
}

/// Linux 6.2 and later give the number as the directory's size; before, the entries are counted.
fn open_descriptors() -> Option<u64> {
    const DESCRIPTORS_DIRECTORY: &str = "/proc/self/fd";
    match fs::metadata(DESCRIPTORS_DIRECTORY).ok()?.len() {
        0 => Some(fs::read_dir(DESCRIPTORS_DIRECTORY).ok()?.count() as u64),
        number => Some(number),
    }
}

/// The program's name, in parentheses, may contain spaces and parentheses: fields are counted from
/// the last one. User and system time are the 12th and 13th after it.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    let user: u32 = times.next()?.parse().ok()?;
    let system: u32 = times.next()?.parse().ok()?;
    Some((f64::from(user) + f64::from(system)) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
        assert_eq!(resident_bytes("Name:\tx\n"), None);
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 1 0 5 6";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("nonsense"), None);
    }

    #[test]
    fn an_open_file_shows() {
        let before = open_descriptors().unwrap();
        let _files: Vec<_> = (0..50).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        assert!(open_descriptors().unwrap() >= before + 40);
    }
}

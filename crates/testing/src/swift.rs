//! A real OpenStack Swift with its S3 interface: it has no conditional writes, and other answers than s3s-fs.

use std::{env, path::PathBuf, process::Command, time::Duration};

use crate::{Process, Scratch, s3};

/// How long the server may take to answer: five processes, most of them Python.
const START_TIMEOUT: Duration = Duration::from_secs(150);

/// A running server with one bucket.
#[derive(Debug)]
pub struct SwiftServer {
    port: u16,
    scratch: Scratch,
    _process: Process,
}

impl SwiftServer {
    /// Starts the server that the test command unpacks, or that below `SWIFT_ROOT`. Without it, says that the test is skipped
    /// and returns `None`.
    #[must_use]
    pub fn start() -> Option<Self> {
        let unpacked = || Some(s3::lab()?.join("swift"));
        let prefix = env::var_os("SWIFT_ROOT").map(PathBuf::from).or_else(unpacked);
        let Some(prefix) = prefix.filter(|prefix| prefix.join("root").is_dir()) else {
            eprintln!("skipped: no Swift; tests/run unpacks one, or set SWIFT_ROOT");
            return None;
        };
        let scratch = Scratch::new();
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/lab/swift/serve.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(program).arg(prefix).arg(scratch.path());
        command.stdout(std::process::Stdio::null());
        let mut process = Process::start(&mut command);
        let ports = process.wait_for_lines(1, START_TIMEOUT, |line| {
            line.strip_prefix("listening on ")?.parse::<u16>().ok()
        });
        Some(Self { port: ports[0], scratch, _process: process })
    }

    /// The storage URL of a part of the bucket.
    #[must_use]
    pub fn url(&self, prefix: &str) -> String {
        let port = self.port;
        format!("s3://cache/{prefix}?endpoint=http://127.0.0.1:{port}&region=us-east-1")
    }

    /// A file of credentials for the server, as AWS tools read it.
    #[must_use]
    pub fn credentials_file(&self) -> PathBuf {
        s3::write_credentials(&self.scratch, "test:tester", "testing")
    }
}

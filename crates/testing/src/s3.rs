//! A real S3 server as a process: s3s-fs, which keeps objects as files.

use std::{
    env, fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{Process, Scratch, lasting_port};

/// How long the server may take to answer.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How often it is tried whether it answers.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A throw-away key of the test server.
const KEY_ID: &str = "test-key-id";

/// Its throw-away secret.
const SECRET: &str = "test-secret";

/// The bucket that is there.
const BUCKET: &str = "cache";

/// A running S3 server with one bucket.
#[derive(Debug)]
pub struct S3Server {
    process: Option<Process>,
    program: PathBuf,
    port: u16,
    scratch: Scratch,
}

impl S3Server {
    /// Starts the server that `S3S_FS` names, or the one that the test command installs. Without it, says that the test
    /// is skipped and returns `None`.
    #[must_use]
    pub fn start() -> Option<Self> {
        let program = program()?;
        let scratch = Scratch::new();
        fs::create_dir_all(scratch.join("objects").join(BUCKET)).unwrap();
        // The server cannot be told to choose a port itself.
        let mut server = Self { process: None, program, port: lasting_port(), scratch };
        server.restart();
        Some(server)
    }

    /// Starts the server, again if it was stopped.
    pub fn restart(&mut self) {
        let port = self.port.to_string();
        let mut command = Command::new(&self.program);
        command.args(["--host", "127.0.0.1", "--port", &port, "--access-key", KEY_ID]);
        command.args(["--secret-key", SECRET]).arg(self.scratch.join("objects"));
        command.stdout(std::process::Stdio::null());
        self.process = Some(Process::start(&mut command));
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "the S3 server does not answer");
            sleep(POLL_INTERVAL);
        }
    }

    /// Kills the server.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// The storage URL of the bucket.
    #[must_use]
    pub fn url(&self) -> String {
        format!("s3://{BUCKET}?endpoint=http://127.0.0.1:{}&region=us-east-1", self.port)
    }

    /// The directory that holds the objects of the bucket as files.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.scratch.join("objects").join(BUCKET)
    }

    /// A file of credentials for the server, as AWS tools read it.
    #[must_use]
    pub fn credentials_file(&self) -> PathBuf {
        write_credentials(&self.scratch, KEY_ID, SECRET)
    }
}

/// Writes a file of credentials, as AWS tools read it.
pub(crate) fn write_credentials(scratch: &Scratch, key_id: &str, secret: &str) -> PathBuf {
    let text = format!(
        "# throw-away test key\n[default]\naws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n"
    );
    scratch.write("credentials", text)
}

/// The directory in which the test command unpacks its tools.
pub(crate) fn lab() -> Option<PathBuf> {
    if let Some(lab) = env::var_os("RNS_LAB_DIR") {
        return Some(lab.into());
    }
    let home = PathBuf::from(env::var_os("HOME")?);
    let cache = env::var_os("XDG_CACHE_HOME").map_or_else(|| home.join(".cache"), PathBuf::from);
    Some(cache.join("rust-nix-serve-lab"))
}

fn program() -> Option<PathBuf> {
    let installed = || Some(lab()?.join("s3s-fs/bin/s3s-fs"));
    let program = env::var_os("S3S_FS").map(PathBuf::from).or_else(installed);
    let program = program.filter(|program| Path::is_file(program));
    if program.is_none() {
        eprintln!("skipped: no S3 server; tests/run installs one, or set S3S_FS");
    }
    program
}

//! The real server as a process of its own.

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    ops::{Deref, DerefMut},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{FixtureStore, Process, Scratch, http};

/// A running server. Killed when dropped.
#[derive(Debug)]
pub struct Server {
    process: Process,
    urls: Vec<String>,
    scratch: Scratch,
}

/// How to start a server.
#[derive(Debug)]
pub struct ServerBuilder {
    command: Command,
    scratch: Scratch,
    listen: Vec<String>,
    store: String,
    sections: String,
    unprivileged: bool,
}

/// The user and the group that own nothing.
const NOBODY: u32 = 65534;

impl Server {
    /// A server of this binary, listening on a free port of 127.0.0.1. The variable
    /// `RUST_NIX_SERVE_BIN` names another binary to test instead.
    pub fn builder(binary: impl AsRef<Path>) -> ServerBuilder {
        let binary = std::env::var_os("RUST_NIX_SERVE_BIN")
            .map_or_else(|| binary.as_ref().into(), PathBuf::from);
        let mut command = Command::new(binary);
        command.arg("serve");
        for variable in [
            "NIX_SECRET_KEY_FILE",
            "CREDENTIALS_DIRECTORY",
            "CACHE_DIRECTORY",
            "NOTIFY_SOCKET",
            "LISTEN_FDS",
            "NIX_STORE_DIR",
        ] {
            command.env_remove(variable);
        }
        let scratch = Scratch::new();
        // Else the index of a bucket would be that of the machine.
        command.env("STATE_DIRECTORY", scratch.path());
        ServerBuilder {
            command,
            scratch,
            listen: vec!["127.0.0.1:0".to_owned()],
            store: String::new(),
            sections: String::new(),
            unprivileged: false,
        }
    }

    /// The URLs it announced, one for each listener.
    #[must_use]
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// The URL of its first listener.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.urls[0]
    }

    /// The address of its first listener.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        address_of(self.url())
    }

    /// A new connection to its first listener.
    #[must_use]
    pub fn connect(&self) -> http::Connection {
        http::Connection::tcp(self.address())
    }

    /// The answer to `GET target`, sent exactly as given, on a connection of its own.
    #[must_use]
    pub fn get(&self, target: &str) -> http::Response {
        self.connect().send(&http::Request::get(target))
    }

    /// The answer to `HEAD target`, sent exactly as given, on a connection of its own.
    #[must_use]
    pub fn head(&self, target: &str) -> http::Response {
        self.connect().send(&http::Request::new("HEAD", target))
    }

    /// A directory that lives as long as the server; its configuration is `config.toml` in it.
    #[must_use]
    pub const fn scratch(&self) -> &Scratch {
        &self.scratch
    }
}

/// Host and port of an `http://` or `https://` URL that names an IP address.
pub(crate) fn address_of(url: &str) -> SocketAddr {
    let (_, rest) = url.split_once("://").unwrap();
    rest.trim_end_matches('/').parse().unwrap()
}

impl Deref for Server {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl ServerBuilder {
    /// Serves this store. It has no daemon, so none is asked.
    #[must_use]
    pub fn store(self, store: &FixtureStore) -> Self {
        let dir = store.store_dir().as_str().to_owned();
        let root = store.root().to_owned();
        self.store_root(&root).store_key("dir", &dir).store_key("daemon_socket", "none")
    }

    /// Serves the chroot store below this directory.
    #[must_use]
    pub fn store_root(self, root: &Path) -> Self {
        self.store_key("root", root.to_str().unwrap())
    }

    /// Sets a string in the section `[store]`.
    #[must_use]
    pub fn store_key(mut self, key: &str, value: &str) -> Self {
        writeln!(self.store, "{key} = {value:?}").unwrap();
        self
    }

    /// Sets a number in the section `[store]`.
    #[must_use]
    pub fn store_number(mut self, key: &str, value: u64) -> Self {
        writeln!(self.store, "{key} = {value}").unwrap();
        self
    }

    /// Sets a key of the section `[store]` that is true or false.
    #[must_use]
    pub fn store_flag(mut self, key: &str, value: bool) -> Self {
        writeln!(self.store, "{key} = {value}").unwrap();
        self
    }

    /// Adds to the configuration file, from the name of a section on.
    #[must_use]
    pub fn section(mut self, toml: &str) -> Self {
        self.sections.push_str(toml);
        self.sections.push('\n');
        self
    }

    /// Adds lines in front of all sections.
    #[must_use]
    pub fn setting(mut self, toml: &str) -> Self {
        self.sections.insert_str(0, &format!("{toml}\n"));
        self
    }

    /// Listens on these addresses instead.
    #[must_use]
    pub fn listen<'a>(mut self, addresses: impl IntoIterator<Item = &'a str>) -> Self {
        self.listen = addresses.into_iter().map(ToOwned::to_owned).collect();
        self
    }

    /// Signs with the secret keys in these texts, each written to a file only its owner can read.
    #[must_use]
    pub fn keys<'a>(self, keys: impl IntoIterator<Item = &'a str>) -> Self {
        let mut files = Vec::new();
        for (index, key) in keys.into_iter().enumerate() {
            let file = self.scratch.write(format!("key-{index}"), key);
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            files.push(file);
        }
        self.section(&format!("[signing]\nkeys = {files:?}"))
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs as a user without any rights, so that permissions mean something also when the tests run as
    /// root. Key files are handed to that user.
    #[must_use]
    pub const fn unprivileged(mut self) -> Self {
        self.unprivileged = true;
        self
    }

    /// A directory that lives as long as the server.
    #[must_use]
    pub const fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// The configuration file as it will be.
    #[must_use]
    pub fn configuration(&self) -> String {
        // Tests look at the metrics without a token.
        let access = match self.sections.contains("[access]") {
            true => "",
            false => "[access]\nanonymous = [\"read\", \"metrics\"]\n",
        };
        format!("listen = {:?}\n{}\n{access}[store]\n{}", self.listen, self.sections, self.store)
    }

    /// Starts the server without waiting for anything.
    #[must_use]
    pub fn spawn(self) -> (Process, Scratch) {
        let (mut command, scratch, _) = self.prepare();
        (Process::start(&mut command), scratch)
    }

    /// Starts the server and waits until it listens.
    ///
    /// # Panics
    /// When it ends instead, or does not announce every listener within twenty seconds.
    #[must_use]
    pub fn start(self) -> Server {
        let (mut command, scratch, listeners) = self.prepare();
        let mut process = Process::start(&mut command);
        let urls = process.wait_for_lines(listeners, Duration::from_secs(20), |line| {
            let (_, url) = line.split_once("listening on ")?;
            url.split_whitespace().next().map(ToOwned::to_owned)
        });
        Server { process, urls, scratch }
    }

    fn prepare(mut self) -> (Command, Scratch, usize) {
        let file = self.scratch.write("config.toml", self.configuration());
        if self.unprivileged && rustix::process::getuid().is_root() {
            // That user may not even reach the place where the program was built.
            let copy = self.scratch.join("program");
            fs::copy(self.command.get_program(), &copy).unwrap();
            let mut command = Command::new(copy);
            command.args(self.command.get_args()).uid(NOBODY).gid(NOBODY);
            for (name, value) in self.command.get_envs() {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
            self.command = command;
            for entry in fs::read_dir(self.scratch.path()).unwrap() {
                chown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        self.command
            .arg("--config")
            .arg(file)
            .current_dir(self.scratch.path())
            .stdout(Stdio::null());
        (self.command, self.scratch, self.listen.len())
    }
}

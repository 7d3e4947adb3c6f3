//! A server that keeps the files that it is sent, and knows nothing of Nix: the least that takes a push.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// How long a client may send nothing.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// The server, until it is dropped.
pub(super) struct PlainServer {
    address: SocketAddr,
    directory: TempDir,
    is_ended: Arc<AtomicBool>,
}

/// The head of a request, as far as it matters.
struct Head {
    method: String,
    name: String,
    length: Option<u64>,
    waits: bool,
}

impl PlainServer {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, directory) = (listener.local_addr().unwrap(), TempDir::new().unwrap());
        let is_ended = Arc::new(AtomicBool::new(false));
        let (root, ended) = (directory.path().to_owned(), Arc::clone(&is_ended));
        thread::spawn(move || {
            for connection in listener.incoming() {
                if ended.load(Ordering::Acquire) {
                    return;
                }
                let (Ok(connection), root) = (connection, root.clone()) else { continue };
                thread::spawn(move || _ = serve(&connection, &root));
            }
        });
        Self { address, directory, is_ended }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }
}

impl Drop for PlainServer {
    fn drop(&mut self) {
        self.is_ended.store(true, Ordering::Release);
        // Wakes the thread that waits for connections.
        _ = TcpStream::connect(self.address);
    }
}

fn serve(connection: &TcpStream, root: &Path) -> io::Result<()> {
    connection.set_read_timeout(Some(READ_TIMEOUT))?;
    let (mut reader, mut writer) = (BufReader::new(connection), connection);
    while let Some(head) = read_head(&mut reader)? {
        let path = root.join(&head.name);
        let answer = |status: &str, length: usize| {
            format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n")
        };
        match (head.method.as_str(), head.length) {
            ("PUT", Some(length)) => {
                if head.waits {
                    writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                }
                let mut body = Vec::new();
                (&mut reader).take(length).read_to_end(&mut body)?;
                if body.len() as u64 != length {
                    return Ok(());
                }
                store(&path, &body)?;
                writer.write_all(answer("200 OK", 0).as_bytes())?;
            }
            ("PUT", None) => {
                writer.write_all(answer("411 Length Required", 0).as_bytes())?;
                return Ok(());
            }
            (method, _) => {
                let Ok(file) = fs::read(&path) else {
                    writer.write_all(answer("404 Not Found", 0).as_bytes())?;
                    continue;
                };
                writer.write_all(answer("200 OK", file.len()).as_bytes())?;
                if method == "GET" {
                    writer.write_all(&file)?;
                }
            }
        }
    }
    Ok(())
}

/// Writes a file that is there whole, or not at all.
fn store(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let directory = path.parent().unwrap();
    fs::create_dir_all(directory)?;
    let unfinished = directory.join(format!(".{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
    fs::write(&unfinished, bytes)?;
    fs::rename(unfinished, path)
}

/// The next head; `None` where the client has sent its last one.
fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let mut head = Head {
        method: method.to_owned(),
        name: target.trim_start_matches('/').to_owned(),
        length: None,
        waits: false,
    };
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => head.length = value.parse().ok(),
            "expect" => head.waits = true,
            _ => {}
        }
    }
    Ok(Some(head))
}

//! A server that gives the same answers whatever happens, and may lie: a page of a network that wants a login, for instance.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// The server, until it is dropped.
pub(crate) struct Canned {
    address: SocketAddr,
    is_ended: Arc<AtomicBool>,
}

impl Canned {
    /// `answer` gets method and path of a request, and returns status line, more headers and body.
    pub(crate) fn start(
        answer: impl Fn(&str) -> (&'static str, &'static str, String) + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_ended = Arc::<AtomicBool>::default();
        let ended = Arc::clone(&is_ended);
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::Acquire) {
                    return;
                }
                let Some(head) = head(&connection) else { continue };
                let asked = head.split(" HTTP/").next().unwrap();
                let (status, headers, body) = answer(asked);
                let length = body.len();
                let body = if asked.starts_with("HEAD") { String::new() } else { body };
                _ = write!(
                    &connection,
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
                );
            }
        });
        Self { address, is_ended }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Canned {
    fn drop(&mut self) {
        self.is_ended.store(true, Ordering::Release);
        // Wakes the thread that waits for connections.
        _ = TcpStream::connect(self.address);
    }
}

/// The head of a request. `None`: there came none.
fn head(connection: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(connection);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

//! A proxy that records the requests of clients, and cuts connections when told to.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

/// A TCP proxy in front of one server. Stops taking connections when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// A request as it passed the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Method and target.
    pub line: String,
    /// Names and values of the headers, in order.
    pub headers: Vec<(String, String)>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    requests: Mutex<Vec<Recorded>>,
    /// How many answers with a NAR are still to be cut, and after how many bytes.
    cuts_left: AtomicUsize,
    cut_after: u64,
    /// The state of the numbers by which connections are severed; 0: none is.
    severing: AtomicU64,
}

impl Proxy {
    /// A proxy that only records.
    #[must_use]
    pub fn recording(upstream: SocketAddr) -> Self {
        Self::cutting(upstream, 0, 0)
    }

    /// A proxy that resets the connection after `cut_after` bytes of each of the first `cuts` answers
    /// to a request for a NAR.
    #[must_use]
    pub fn cutting(upstream: SocketAddr, cuts: usize, cut_after: u64) -> Self {
        Self::with(upstream, cuts, cut_after, 0)
    }

    /// A proxy that ends two of three connections after some number of bytes in both directions together, from one to
    /// eight million. The same seed, which is not 0, gives the same numbers.
    #[must_use]
    pub fn severing(upstream: SocketAddr, seed: u64) -> Self {
        Self::with(upstream, 0, 0, seed)
    }

    fn with(upstream: SocketAddr, cuts: usize, cut_after: u64, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream,
            requests: Mutex::new(Vec::new()),
            cuts_left: AtomicUsize::new(cuts),
            cut_after,
            severing: AtomicU64::new(seed),
        });
        let for_listener = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // The proxy itself holds the other reference.
                if Arc::strong_count(&for_listener) == 1 {
                    return;
                }
                let shared = Arc::clone(&for_listener);
                thread::spawn(move || match shared.severing.load(Ordering::SeqCst) {
                    0 => shared.pass(client),
                    _ => shared.pass_some(&client),
                });
            }
        });
        Self { address, shared }
    }

    /// The URL clients use.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Method and target of every request so far.
    #[must_use]
    pub fn request_lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.line).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Wakes the listening thread, which then finds itself alone.
        let address = self.address;
        thread::spawn(move || {
            thread::sleep(std::time::Duration::from_millis(10));
            drop(TcpStream::connect(address));
        });
    }
}

impl Recorded {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

impl Shared {
    /// Passes one connection on: requests are read line by line, answers are copied.
    fn pass(&self, client: TcpStream) {
        let Ok(server) = TcpStream::connect(self.upstream) else { return };
        // Bytes that may still be copied to the client; negative: as many as come.
        let budget = Arc::new(AtomicI64::new(-1));
        let (from_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let copy_budget = Arc::clone(&budget);
        let copier = thread::spawn(move || copy_within(from_server, to_client, &copy_budget));
        let mut to_server = server;
        let mut from_client = BufReader::new(client);
        while let Some((request, bytes)) = read_request(&mut from_client) {
            if request.line.contains("/nar/") && take_one(&self.cuts_left) {
                budget.store(self.cut_after.cast_signed(), Ordering::SeqCst);
            }
            let length = request.header("content-length").and_then(|length| length.parse().ok());
            self.requests.lock().unwrap().push(request);
            if to_server.write_all(&bytes).is_err() {
                break;
            }
            // A client may send its body only when the server has asked for it.
            let mut body = from_client.by_ref().take(length.unwrap_or(0));
            if std::io::copy(&mut body, &mut to_server).is_err() {
                break;
            }
        }
        _ = to_server.shutdown(Shutdown::Write);
        _ = copier.join();
    }
}

impl Shared {
    /// Passes bytes in both directions until the connection is severed, or ends.
    fn pass_some(&self, client: &TcpStream) {
        let Ok(server) = TcpStream::connect(self.upstream) else { return };
        let left = Arc::new(AtomicI64::new(self.next_life()));
        let copy = |from: &TcpStream, to: &TcpStream| {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let left = Arc::clone(&left);
            thread::spawn(move || copy_while_any_is_left(from, to, &left))
        };
        let (one, other) = (copy(client, &server), copy(&server, client));
        _ = (one.join(), other.join());
    }

    /// How many bytes the next connection passes: as often few as many.
    fn next_life(&self) -> i64 {
        let step = |mut state: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^ state << 17
        };
        let update = |state| Some(step(state));
        let before = self.severing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, update);
        let number = step(before.unwrap());
        let scale = (number >> 32) % 24;
        if number % 3 == 0 {
            return i64::MAX;
        }
        ((number >> 8) % (1 << scale)).cast_signed() + 1
    }
}

fn copy_while_any_is_left(mut from: TcpStream, mut to: TcpStream, left: &AtomicI64) {
    let mut buffer = vec![0; 1 << 14];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let before = left.fetch_sub(read as i64, Ordering::SeqCst);
        let passed = usize::try_from(before).unwrap_or(0).min(read);
        if to.write_all(&buffer[..passed]).is_err() || passed < read {
            break;
        }
    }
    _ = from.shutdown(Shutdown::Both);
    _ = to.shutdown(Shutdown::Both);
}

fn take_one(counter: &AtomicUsize) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

/// The head of the next request, and its bytes; `None` at the end of the connection.
fn read_request(client: &mut impl BufRead) -> Option<(Recorded, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut lines = Vec::new();
    loop {
        let start = bytes.len();
        client.read_until(b'\n', &mut bytes).ok()?;
        match String::from_utf8_lossy(&bytes[start..]).strip_suffix("\r\n")? {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let line = lines.first()?.strip_suffix(" HTTP/1.1")?.to_owned();
    let headers = lines.iter().skip(1).filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Some((Recorded { line, headers }, bytes))
}

fn copy_within(mut from: TcpStream, mut to: TcpStream, budget: &AtomicI64) {
    let mut buffer = vec![0; 1 << 14];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let left = budget.load(Ordering::SeqCst);
        let len = usize::try_from(left).map_or(read, |left| left.min(read));
        if to.write_all(&buffer[..len]).is_err() || len < read {
            break;
        }
        if left >= 0 {
            budget.fetch_sub(len as i64, Ordering::SeqCst);
        }
    }
    _ = from.shutdown(Shutdown::Both);
    _ = to.shutdown(Shutdown::Both);
}

//! A daemon that follows the orders of a test, on a real socket. Its encoding is written independently of the client's.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The daemon's answer to a request to hold a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Agree,
    Refuse,
    /// Wait until the mood changes, then agree.
    Hang,
    Close,
    Garble,
    /// Close before the greeting.
    TurnAway,
}

pub(super) fn number(number: u64) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}

pub(super) fn text(text: &str) -> Vec<u8> {
    let mut bytes = number(text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
    while !bytes.len().is_multiple_of(8) {
        bytes.push(0);
    }
    bytes
}

/// The words of a daemon's greeting, one part per time that it waits for the client.
pub(super) fn greeting(minor: u64) -> Vec<u8> {
    let mut bytes = [number(0x6478_696f), number(0x100 | minor)].concat();
    if minor >= 38 {
        bytes.extend([number(2), text("provenance"), text("addTempRoots")].concat());
    }
    if minor >= 33 {
        bytes.extend(text("2.99.0"));
    }
    if minor >= 35 {
        bytes.extend(number(2));
    }
    bytes.extend(number(0x616c_7473));
    bytes
}

/// An error as daemons since 1.26 send it.
pub(super) fn error(message: &str) -> Vec<u8> {
    [
        number(0x6378_7470),
        text("Error"),
        number(0),
        text("Error"),
        text(message),
        number(0),
        number(1),
        number(0),
        text("while doing something"),
    ]
    .concat()
}

/// The scripted daemon. It stops when dropped.
pub(super) struct FakeDaemon {
    pub(super) socket: PathBuf,
    mood: watch::Sender<Mood>,
    state: Arc<Mutex<State>>,
    tasks: JoinSet<()>,
}

#[derive(Default)]
struct State {
    accepted: usize,
    open: usize,
    asked: Vec<String>,
    roots: BTreeMap<usize, Vec<String>>,
}

impl FakeDaemon {
    pub(super) fn start(socket: &Path) -> Self {
        let (mood, moods) = watch::channel(Mood::Agree);
        let mut daemon =
            Self { socket: socket.to_owned(), mood, state: Arc::default(), tasks: JoinSet::new() };
        let listener = UnixListener::bind(socket).expect("a free socket");
        daemon.tasks.spawn(accept(listener, moods, Arc::clone(&daemon.state)));
        daemon
    }

    pub(super) fn be(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// Ends every connection and removes the socket.
    pub(super) async fn stop(mut self) {
        self.tasks.shutdown().await;
        std::fs::remove_file(&self.socket).expect("the socket is there");
    }

    /// How many connections there were.
    pub(super) fn accepted(&self) -> usize {
        self.state.lock().unwrap().accepted
    }

    /// How many of them are left.
    pub(super) fn open(&self) -> usize {
        self.state.lock().unwrap().open
    }

    /// Every path that was asked for, in order.
    pub(super) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    /// The paths that open connections hold.
    pub(super) fn roots(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let mut roots: Vec<_> = state.roots.values().flatten().cloned().collect();
        roots.sort();
        roots
    }
}

async fn accept(listener: UnixListener, moods: watch::Receiver<Mood>, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let id = {
            let mut state = state.lock().unwrap();
            state.accepted += 1;
            state.open += 1;
            state.accepted
        };
        let (moods, state) = (moods.clone(), Arc::clone(&state));
        connections.spawn(async move {
            // A client that leaves is no error.
            let _ = serve(stream, id, moods, &state).await;
            let mut state = state.lock().unwrap();
            state.open -= 1;
            state.roots.remove(&id);
        });
    }
}

async fn serve(
    mut stream: UnixStream,
    id: usize,
    mut moods: watch::Receiver<Mood>,
    state: &Mutex<State>,
) -> io::Result<()> {
    if *moods.borrow() == Mood::TurnAway {
        return Ok(());
    }
    assert_eq!(stream.read_u64_le().await?, 0x6e69_7863);
    assert_eq!(stream.read_u64_le().await?, 0x126);
    stream.write_all(&greeting(37)).await?;
    assert_eq!(stream.read_u64_le().await?, 0);
    assert_eq!(stream.read_u64_le().await?, 0);
    loop {
        assert_eq!(stream.read_u64_le().await?, 11);
        let len = usize::try_from(stream.read_u64_le().await?).expect("a length");
        let mut path = vec![0; len.next_multiple_of(8)];
        stream.read_exact(&mut path).await?;
        path.truncate(len);
        let path = String::from_utf8(path).expect("a path");
        state.lock().unwrap().asked.push(path.clone());
        let mood = *moods.borrow_and_update();
        match mood {
            Mood::Close | Mood::TurnAway => return Ok(()),
            Mood::Garble => stream.write_all(&number(0xbad)).await?,
            Mood::Refuse => stream.write_all(&error("\x1b[31mno\x1b[0m")).await?,
            Mood::Agree | Mood::Hang => {
                if mood == Mood::Hang {
                    moods.changed().await.map_err(io::Error::other)?;
                }
                state.lock().unwrap().roots.entry(id).or_default().push(path);
                stream.write_all(&[number(0x616c_7473), number(1)].concat()).await?;
            }
        }
    }
}

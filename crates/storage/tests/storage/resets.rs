//! A bucket whose server resets connections: every operation that can be repeated is.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use rns_storage::objects::{ObjectKey, Objects};
use rns_testing::S3Server;

use crate::support::use_credentials;

/// Passes requests to a server, and resets connections when told to.
struct Resetting {
    address: SocketAddr,
    /// How many requests are still to be answered with a reset.
    resets: Arc<AtomicUsize>,
    /// Whether the answer to the next `POST` gets lost.
    loses_answer: Arc<AtomicBool>,
}

impl Resetting {
    fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, resets) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
        let loses_answer = Arc::<AtomicBool>::default();
        let shared = (Arc::clone(&resets), Arc::clone(&loses_answer));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (resets, loses_answer) = shared.clone();
                thread::spawn(move || pass(client, upstream, &resets, &loses_answer));
            }
        });
        Self { address, resets, loses_answer }
    }

    /// The next request is answered with a reset, on a connection that was used before or on a new one.
    fn reset_next(&self) {
        self.resets.store(1, Ordering::SeqCst);
    }

    #[track_caller]
    fn assert_reset(&self, what: &str) {
        assert_eq!(self.resets.load(Ordering::SeqCst), 0, "{what}: no request was reset");
    }
}

fn pass(
    mut client: TcpStream,
    upstream: SocketAddr,
    resets: &AtomicUsize,
    loses_answer: &AtomicBool,
) {
    let Ok(mut server) = TcpStream::connect(upstream) else { return };
    let loses = Arc::new(AtomicBool::new(false));
    let answers = {
        let (mut server, mut client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let loses = Arc::clone(&loses);
        thread::spawn(move || {
            let mut buffer = [0; 64 << 10];
            while let Ok(read @ 1..) = server.read(&mut buffer) {
                if loses.load(Ordering::SeqCst) || client.write_all(&buffer[..read]).is_err() {
                    _ = client.shutdown(Shutdown::Both);
                    break;
                }
            }
        })
    };
    let mut buffer = [0; 64 << 10];
    // A socket that is closed with bytes in it that were not read resets its connection.
    while let Ok(waiting @ 1..) = client.peek(&mut buffer) {
        let is_request = [&b"GET "[..], b"PUT ", b"POST", b"HEAD", b"DELE"]
            .iter()
            .any(|method| buffer[..waiting].starts_with(method));
        let takes = |left: usize| left.checked_sub(1);
        if is_request && resets.fetch_update(Ordering::SeqCst, Ordering::SeqCst, takes).is_ok() {
            break;
        }
        if buffer.starts_with(b"POST") && loses_answer.swap(false, Ordering::SeqCst) {
            loses.store(true, Ordering::SeqCst);
        }
        let Ok(read @ 1..) = client.read(&mut buffer) else { break };
        if server.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    _ = server.shutdown(Shutdown::Both);
    _ = answers.join();
}

#[tokio::test]
async fn every_operation_is_repeated_after_a_reset() {
    let Some(server) = S3Server::start() else { return };
    use_credentials(server.credentials_file());
    let url = server.url();
    let upstream = url.split("http://").nth(1).and_then(|rest| rest.split('&').next()).unwrap();
    let proxy = Resetting::before(upstream.parse().unwrap());
    let url = url.replace(upstream, &proxy.address.to_string());
    let objects = Objects::open(&url.parse().unwrap(), false).unwrap();
    let key = ObjectKey::listed("nar/a.nar");
    // Connections are there and were used before.
    objects.write_small(&key, Bytes::from_static(b"first")).await.unwrap();

    proxy.reset_next();
    objects.write_small(&key, Bytes::from_static(b"contents")).await.unwrap();
    proxy.assert_reset("write_small");
    proxy.reset_next();
    assert_eq!(objects.head(&key).await.unwrap().unwrap().size, 8);
    proxy.assert_reset("head");
    proxy.reset_next();
    assert_eq!(objects.read_small(&key, 100).await.unwrap().unwrap(), "contents");
    proxy.assert_reset("read_small");
    proxy.reset_next();
    let read = objects.read(&key, 1..4).await.unwrap().unwrap();
    let read: Vec<Bytes> = read.try_collect().await.unwrap();
    assert_eq!(read.concat(), b"ont");
    proxy.assert_reset("read");
    proxy.reset_next();
    let listed: Vec<_> = objects.list(Some("nar")).try_collect().await.unwrap();
    assert_eq!(listed.len(), 1);
    proxy.assert_reset("list");

    let large = ObjectKey::listed("nar/large.nar");
    let mut writer = objects.writer(&large, Some(12 << 20)).unwrap();
    for _ in 0..12 {
        // Every part, and each request before and after the parts.
        proxy.reset_next();
        writer.write(Bytes::from(vec![7; 1 << 20])).await.unwrap();
    }
    proxy.reset_next();
    writer.finish().await.unwrap();
    proxy.assert_reset("writer");
    assert_eq!(objects.head(&large).await.unwrap().unwrap().size, 12 << 20);

    // The object is complete, and only the answer gets lost: a repeated order finds no upload any more.
    let lost = ObjectKey::listed("nar/lost.nar");
    let mut writer = objects.writer(&lost, Some(12 << 20)).unwrap();
    writer.write(Bytes::from(vec![7; 12 << 20])).await.unwrap();
    proxy.loses_answer.store(true, Ordering::SeqCst);
    writer.finish().await.unwrap();
    assert!(!proxy.loses_answer.load(Ordering::SeqCst), "no answer was lost");
    assert_eq!(objects.head(&lost).await.unwrap().unwrap().size, 12 << 20);

    proxy.reset_next();
    objects.sweep(Duration::ZERO).await.unwrap();
    proxy.assert_reset("sweep");
    proxy.reset_next();
    objects.delete(&key).await.unwrap();
    proxy.assert_reset("delete");
    assert_eq!(objects.head(&key).await.unwrap(), None);
}

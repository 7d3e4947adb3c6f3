//! The bounds of one HTTP/2 connection.

use std::{collections::BTreeSet, path::Path, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use h2::{Ping, Reason, RecvStream, client::Builder};
use rns_testing::{FixtureStore, Scratch, Server, Standard, Tree};

use crate::support::{
    SECRET_KEY,
    http2::{connect, get, run},
    narinfo_of,
    private::{UNKNOWN, create},
    tls::speaking_tls,
};

#[test]
fn streams_are_limited_and_the_client_is_told() {
    let mut store = FixtureStore::new();
    let path = store.add("zeroes", Tree::zeroes(1 << 20));
    let server = speaking_tls("issuer.crt", "issuer.key").store(&store).start();
    let (address, nar) = (server.address(), format!("/nar/{}.nar", path.hash_part()));
    run(async {
        let mut builder = Builder::new();
        // More than it will be allowed, since it has not been told yet; and it takes no byte of any answer.
        builder.initial_max_send_streams(400).initial_window_size(0);
        let (mut requests, mut connection) = connect(address, &builder).await;
        let mut streams = Vec::new();
        for _ in 0..400 {
            streams.push(requests.send_request(get(address, &nar), true).unwrap().0);
        }
        let driving = tokio::spawn(async move {
            let ended = std::future::poll_fn(|cx| {
                let told = connection.max_concurrent_send_streams();
                match std::pin::Pin::new(&mut connection).poll(cx) {
                    std::task::Poll::Pending if told == 128 => std::task::Poll::Ready(true),
                    std::task::Poll::Pending => std::task::Poll::Pending,
                    std::task::Poll::Ready(_) => std::task::Poll::Ready(false),
                }
            });
            (ended.await, connection)
        });
        let (told, connection) = driving.await.unwrap();
        assert!(told);
        let driving = tokio::spawn(connection);
        let (mut answered, mut refused) = (0, 0);
        let mut bodies = Vec::new();
        for stream in streams {
            match stream.await {
                Ok(answer) => {
                    assert_eq!(answer.status(), 200);
                    answered += 1;
                    bodies.push(answer.into_body());
                }
                Err(error) => {
                    assert_eq!(error.reason(), Some(Reason::REFUSED_STREAM), "{error}");
                    refused += 1;
                }
            }
        }
        assert_eq!((answered, refused), (128, 272));
        drop((requests, bodies, driving));
    });
}

#[test]
fn a_client_that_only_pings_is_idle() {
    let standard = Standard::new();
    let server = speaking_tls("issuer.crt", "issuer.key")
        .store(&standard.store)
        .section("[limits]\nidle_timeout = \"1s\"")
        .start();
    let address = server.address();
    run(async {
        let (mut requests, mut connection) = connect(address, &Builder::new()).await;
        let mut pings = connection.ping_pong().unwrap();
        let driving = tokio::spawn(connection);
        let answer = requests.send_request(get(address, "/nix-cache-info"), true).unwrap().0;
        assert_eq!(answer.await.unwrap().status(), 200);
        while pings.ping(Ping::opaque()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        _ = driving.await;
    });
}

#[test]
fn a_stream_that_is_not_taken_ends() {
    let mut store = FixtureStore::new();
    let path = store.add("zeroes", Tree::zeroes(1 << 20));
    let server = speaking_tls("issuer.crt", "issuer.key")
        .store(&store)
        .section("[limits]\nstall_timeout = \"1s\"")
        .start();
    let address = server.address();
    run(async {
        let mut builder = Builder::new();
        builder.initial_window_size(0);
        let (mut requests, connection) = connect(address, &builder).await;
        let driving = tokio::spawn(connection);
        let nar = format!("/nar/{}.nar", path.hash_part());
        let answer = requests.send_request(get(address, &nar), true).unwrap().0.await.unwrap();
        assert_eq!(answer.status(), 200);
        let error = answer.into_body().data().await.unwrap().unwrap_err();
        assert_eq!(error.reason(), Some(Reason::CANCEL), "{error}");
        // The connection is as good as before.
        let again = requests.send_request(get(address, "/healthz"), true).unwrap().0;
        assert_eq!(again.await.unwrap().status(), 200);
        drop(driving);
    });
}

/// Status, headers but the date, and body.
type Answer = (u16, http::HeaderMap, Bytes);

/// All of a body.
async fn whole(mut body: RecvStream) -> Bytes {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.unwrap();
        body.flow_control().release_capacity(chunk.len()).unwrap();
        bytes.extend_from_slice(&chunk);
    }
    bytes.into()
}

/// The answers to requests over one connection, each sent when the one before it is answered.
fn answers(server: &Server, builder: &Builder, requests: &[http::request::Builder]) -> Vec<Answer> {
    let address = server.address();
    run(async {
        let (mut sending, connection) = connect(address, builder).await;
        let driving = tokio::spawn(connection);
        let mut answers = Vec::new();
        for request in requests {
            let target = request.uri_ref().unwrap().to_string();
            let mut head = get(address, &target);
            *head.method_mut() = request.method_ref().unwrap().clone();
            *head.headers_mut() = request.headers_ref().unwrap().clone();
            let answer = sending.send_request(head, true).unwrap().0.await.unwrap();
            let (mut head, body) = answer.into_parts();
            assert!(head.headers.remove("date").is_some());
            answers.push((head.status.as_u16(), head.headers, whole(body).await));
        }
        drop(driving);
        answers
    })
}

fn request(target: &str) -> http::request::Builder {
    http::Request::get(target)
}

/// A server over TLS whose cache only the holders of the tokens in this file may read.
fn private_server(store: &FixtureStore, tokens: &Path, setting: &str) -> Server {
    let access = format!("[access]\ntokens = {tokens:?}\nanonymous = []\nfailure_delay = \"0s\"");
    let server = speaking_tls("issuer.crt", "issuer.key").store(store).keys([SECRET_KEY]);
    server.section(&access).setting(setting).start()
}

#[test]
fn without_the_fast_path_the_answers_over_http_2_are_the_same() {
    let standard = Standard::new();
    let scratch = Scratch::new();
    let tokens = scratch.join("tokens");
    let token = create(&tokens, "all", &[]);
    let confined = create(&tokens, "some", &["--paths", "self-*"]);
    let fast = private_server(&standard.store, &tokens, "");
    let slow = private_server(&standard.store, &tokens, "fast_path = false");
    let there = narinfo_of(&standard.tree);
    let json = format!("{there}?json");
    let targets = [&*there, "/00000000000000000000000000000000.narinfo", &*json, "/nix-cache-info"];
    let mut requests = vec![request(&there)];
    for secret in [token.as_str(), confined.as_str(), UNKNOWN] {
        let password = format!("Basic {}", BASE64_STANDARD.encode(format!("x:{secret}")));
        for target in targets {
            let get = || request(target).header("authorization", &password);
            requests.push(get());
            // Verified and rendered by now.
            requests.push(get().header("accept-encoding", "zstd"));
            requests.push(get().header("x-unknown", "1"));
            requests.push(get().method("HEAD"));
            requests.push(get().header("if-none-match", "*"));
        }
    }
    let fast = answers(&fast, &Builder::new(), &requests);
    let slow = answers(&slow, &Builder::new(), &requests);
    for ((request, fast), slow) in requests.iter().zip(&fast).zip(&slow) {
        assert_eq!(fast, slow, "{request:?}");
    }
    let statuses: BTreeSet<u16> = fast.iter().map(|(status, ..)| *status).collect();
    assert_eq!(Vec::from_iter(statuses), [200, 304, 401, 404]);
}

#[test]
fn a_narinfo_comes_whole_to_a_client_that_takes_a_few_bytes_at_a_time() {
    let standard = Standard::new();
    let server = speaking_tls("issuer.crt", "issuer.key").store(&standard.store).start();
    let narinfo = [(); 3].map(|()| request(&narinfo_of(&standard.tree)));
    let expected = answers(&server, &Builder::new(), &narinfo);
    assert!(expected[0].2.len() > 200);
    let mut builder = Builder::new();
    builder.initial_window_size(16);
    assert_eq!(answers(&server, &builder, &narinfo), expected);
}

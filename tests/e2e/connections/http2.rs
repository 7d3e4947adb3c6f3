//! The bounds of one HTTP/2 connection.

use std::time::Duration;

use h2::{Ping, Reason, client::Builder};
use rns_testing::{FixtureStore, Standard, Tree};

use crate::support::{
    http2::{connect, get, run},
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
fn whoever_only_pings_is_idle() {
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

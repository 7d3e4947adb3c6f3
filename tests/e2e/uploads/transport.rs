//! Uploads over HTTP/2, into a bucket, slow ones, and many at once.

use std::{thread, time::Duration};

use bytes::Bytes;
use rns_formats::Compression;
use rns_testing::{PostgresServer, S3Server, Scratch, Standard, http::Request};

use super::{Pushable, packed, text_of};
use crate::support::{
    SECRET_KEY, assert_refusal, full, http2, narinfo_of, nixes,
    private::{basic, create, with_token},
    server,
    tls::speaking_tls,
};

#[test]
fn uploads_over_http2_are_taken_and_refused_like_others() {
    let (standard, scratch) = (Standard::new(), Scratch::new());
    let builder = speaking_tls("issuer.crt", "issuer.key").store_flag("enabled", false);
    let tokens = builder.scratch().join("tokens");
    let token = create(&tokens, "ci", &["--allow", "push"]);
    std::fs::create_dir(scratch.join("cache")).unwrap();
    let url = format!("file://{}", scratch.join("cache").display());
    let server = builder
        .section(&format!(
            "[storage]\nurl = {url:?}\n[access]\ntokens = {tokens:?}\nanonymous = [\"read\"]"
        ))
        .start();
    let nar = standard.store.nar(&standard.blob);
    let (narinfo, file) = packed(standard.store.info(&standard.blob), &nar, Compression::None);
    let address = server.address();
    http2::run(async {
        let builder = h2::client::Builder::new();
        let (mut sender, connection) = http2::connect(address, &builder).await;
        tokio::spawn(connection);
        for (authorization, target, body, expected) in [
            (None, narinfo.url.clone(), file.clone(), 401),
            (Some(basic("ci", &token)), narinfo.url.clone(), file, 201),
            (
                Some(basic("ci", &token)),
                narinfo_of(&standard.blob).trim_start_matches('/').to_owned(),
                text_of(&narinfo).into_bytes(),
                201,
            ),
        ] {
            let mut request = http::Request::put(format!("https://{address}/{target}"));
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let (answer, mut stream) =
                sender.send_request(request.body(()).unwrap(), false).unwrap();
            let mut rest = Bytes::from(body);
            let send = async {
                while !rest.is_empty() {
                    stream.reserve_capacity(rest.len());
                    let Some(Ok(room)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await
                    else {
                        return;
                    };
                    let chunk = rest.split_to(room.min(rest.len()));
                    if stream.send_data(chunk, rest.is_empty()).is_err() {
                        return;
                    }
                }
            };
            let (answer, ()) = tokio::join!(answer, send);
            assert_eq!(answer.unwrap().status(), expected, "{target}");
        }
        let (answer, _) =
            sender.send_request(http2::get(address, &narinfo_of(&standard.blob)), true).unwrap();
        assert_eq!(answer.await.unwrap().status(), 200);
    });
}

#[test]
fn nix_pushes_into_a_bucket() {
    for nix in nixes() {
        let Some(bucket) = S3Server::start() else { return };
        let standard = Standard::new();
        let builder = server().keys([SECRET_KEY]).store_flag("enabled", false);
        let tokens = builder.scratch().join("tokens");
        let state = builder.scratch().join("state");
        std::fs::create_dir(&state).unwrap();
        let token = create(&tokens, "ci", &["--allow", "push"]);
        let server = builder
            .section(&format!(
                "[storage]\nurl = {:?}\n[access]\ntokens = {tokens:?}\nanonymous = [\"read\"]",
                bucket.url()
            ))
            .env("AWS_SHARED_CREDENTIALS_FILE", bucket.credentials_file().to_str().unwrap())
            .env("STATE_DIRECTORY", state.to_str().unwrap())
            .start();
        let to = server.url().replace("://", &format!("://ci:{token}@"));
        let (itself, blob) = (full(&standard.itself), full(&standard.blob));
        let client = nix.client().with_root(standard.store.root());
        client.nix_command(["copy", "--no-check-sigs", "--to", &to, &itself, &blob]).success();
        let reader = nix.client().option("trusted-public-keys", crate::support::PUBLIC_KEY);
        reader.nix_command(["copy", "--from", server.url(), &itself, &blob]).success();
        let info = std::fs::read_to_string(bucket.directory().join("nix-cache-info")).unwrap();
        assert!(info.contains("StoreDir: /nix/store\n"), "{info}");
    }
}

#[test]
fn a_client_that_sends_nothing_more_is_refused_in_the_end() {
    let cache = Pushable::with(|builder| builder.section("[limits]\nstall_timeout = \"1s\""));
    let (standard, target) = (Standard::new(), "/log/zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-x.drv");
    let nar = standard.store.nar(&standard.blob);
    let (narinfo, file) = packed(standard.store.info(&standard.blob), &nar, Compression::None);
    let nar = format!("/{}", narinfo.url);
    for (target, body) in [(target, &b"built"[..]), (&nar, &file)] {
        let request = with_token(Request::new("PUT", target).body(body), &cache.token);
        let bytes = request.to_bytes();
        let mut connection = cache.server.connect();
        connection.send_raw(&bytes[..bytes.len() - 1]);
        assert_refusal(&connection.read_response().unwrap(), 408);
        assert_eq!(cache.server.get(target).status(), 404);
    }
}

/// As Nix up to 2.32 does when it sends an upload again.
#[test]
fn a_client_that_sends_nothing_at_all_is_refused_long_before() {
    let cache = Pushable::with(|builder| builder.section("[limits]\nstall_timeout = \"6s\""));
    let (standard, target) = (Standard::new(), "/log/zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-x.drv");
    let nar = standard.store.nar(&standard.blob);
    let (narinfo, file) = packed(standard.store.info(&standard.blob), &nar, Compression::None);
    let nar = format!("/{}", narinfo.url);
    let send = |target: &str, body: &[u8], sent: usize| {
        let request = Request::new("PUT", target).header("Expect", "100-continue").body(body);
        let bytes = with_token(request, &cache.token).to_bytes();
        let mut connection = cache.server.connect();
        connection.send_raw(&bytes[..bytes.len() - body.len() + sent]);
        assert_eq!(connection.read_response().unwrap().status(), 100);
        connection
    };
    for (target, body) in [(target, &b"built"[..]), (&nar, &file)] {
        // One that has begun, long before, is still waited for.
        let mut begun = send(target, body, 1);
        let mut nothing = send(target, body, 0);
        assert_refusal(&nothing.read_response().unwrap(), 408);
        begun.send_raw(&body[1..]);
        assert_eq!(begun.read_response().unwrap().status(), 201);
    }
}

#[test]
fn more_uploads_than_there_are_places_wait_for_their_turn() {
    let cache = Pushable::with(|builder| builder.section("[limits]\nuploads = 1"));
    let standard = Standard::new();
    let first = packed(
        standard.store.info(&standard.blob),
        &standard.store.nar(&standard.blob),
        Compression::None,
    );
    let mut slow = cache.server.connect();
    let request = Request::new("PUT", format!("/{}", first.0.url)).body(first.1);
    let bytes = with_token(request, &cache.token).to_bytes();
    let (begin, end) = bytes.split_at(bytes.len() / 2);
    slow.send_raw(begin);
    crate::support::eventually(|| {
        cache.server.get("/metrics").text().contains("rust_nix_serve_uploads_in_flight 1\n")
    });
    let (narinfo, file) = packed(
        standard.store.info(&standard.dep),
        &standard.store.nar(&standard.dep),
        Compression::None,
    );
    thread::scope(|scope| {
        let waiting = scope.spawn(|| cache.put(&format!("/{}", narinfo.url), file).status());
        // It waits: nothing but the end of the first lets it go on.
        thread::sleep(Duration::from_millis(300));
        assert!(!waiting.is_finished());
        slow.send_raw(end);
        assert_eq!(slow.read_response().unwrap().status(), 201);
        assert_eq!(waiting.join().unwrap(), 201);
    });
    let metrics = cache.server.get("/metrics");
    assert!(metrics.text().contains("rust_nix_serve_uploads_in_flight 0\n"));
    let taken = "rust_nix_serve_upload_bytes_total{kind=\"nar\"} ";
    let taken = metrics.text().lines().find_map(|line| line.strip_prefix(taken)).unwrap();
    assert!(taken.parse::<u64>().unwrap() > 3_000_000, "{taken}");
    assert_refusal(&cache.put("/nar/x.nar", "x"), 405);
    let narinfo = packed(
        standard.store.info(&standard.top),
        &standard.store.nar(&standard.top),
        Compression::None,
    );
    assert_refusal(&cache.put_narinfo(&narinfo.0), 409);
    let refused = "rust_nix_serve_uploads_refused_total{reason=\"missing_nar\"} 1\n";
    assert!(cache.server.get("/metrics").text().contains(refused));
}

#[test]
fn an_outage_of_the_index_is_told_once_and_so_is_its_end() {
    let Some(mut database) = PostgresServer::start() else { return };
    let index = format!("[index]\nurl = {:?}", database.url());
    let cache = Pushable::with(|builder| builder.section(&index));
    let standard = Standard::new();
    let first = cache.push(&standard, &standard.dep);
    database.stop();
    let (narinfo, file) = packed(
        standard.store.info(&standard.blob),
        &standard.store.nar(&standard.blob),
        Compression::Zstd,
    );
    let target = format!("/{}", narinfo.url);
    for _ in 0..3 {
        assert!(cache.put(&target, file.clone()).status() > 500);
    }
    // Present paths are still served.
    assert_eq!(cache.server.get(&format!("/{}", first.url)).status(), 200);
    database.restart();
    crate::support::eventually(|| cache.put(&target, file.clone()).status() == 201);
    crate::support::assert_logged(&cache.server, "uploads are taken again");
    let log = cache.server.stderr();
    assert_eq!(log.matches("uploads are refused: ").count(), 1, "{log}");
}

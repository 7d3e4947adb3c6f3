//! The answers of a private cache to each kind of client.

use rns_testing::{
    Standard,
    http::{Request, Response},
};

use crate::{
    support::private::{
        Private, UNKNOWN, basic, create, create_expired, get_with, private, with_token,
    },
    support::{
        assert_logged, assert_refusal, eventually, nar_of, narinfo_of, server, without_date,
    },
};

const CACHE_INFO: &str = "/nix-cache-info";

/// Names of things that are there, that are not, and that could not be.
fn targets(standard: &Standard) -> Vec<String> {
    let hash = standard.tree.hash_part();
    let fixed = [
        CACHE_INFO,
        "/",
        "/pubkey",
        "/version",
        "/metrics",
        "/nonsense",
        "/00000000000000000000000000000000.narinfo",
        "/nar/00000000000000000000000000000000.nar",
        "/log/zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-self-1.0.drv",
        "/debuginfo/0000000000000000000000000000000000000000",
    ];
    let found = [
        narinfo_of(&standard.tree),
        format!("/{hash}.ls"),
        format!("/nar/{hash}.nar"),
        format!("/serve/{hash}/"),
    ];
    fixed.map(str::to_owned).into_iter().chain(found).collect()
}

fn is_private(answer: &Response) -> bool {
    answer.header("cache-control").unwrap().starts_with("private, ")
}

#[test]
fn without_a_good_token_every_request_gets_the_same_answer() {
    let standard = Standard::new();
    let (builder, file) = private(&standard.store, "anonymous = []\nfailure_delay = \"0s\"");
    let expired = create_expired(&file, "old");
    let server = builder.start();
    get_with(&server, &expired, CACHE_INFO);
    assert_logged(&server, "the token old has expired");
    let model = server.get(CACHE_INFO);
    assert_refusal(&model, 401);
    assert_eq!(
        model.header("www-authenticate"),
        Some("Basic realm=\"binary cache\", charset=\"UTF-8\"")
    );
    assert_eq!(model.header("cache-control"), Some("no-store"));
    // Only the holder of a token learns that it was good once.
    let old = basic("old", &expired);
    let told = get_with(&server, &expired, CACHE_INFO);
    assert_eq!((told.status(), told.text()), (401, "the token has expired\n"));
    let credentials = [
        None,
        Some(basic("reader", UNKNOWN)),
        Some(basic("", "short")),
        Some(old.clone()),
        Some(format!("Bearer {UNKNOWN}")),
        Some("Digest x".to_owned()),
        Some("Basic !".to_owned()),
    ];
    for target in targets(&standard) {
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "BREW"] {
            for credential in &credentials {
                let mut request = Request::new(method, &target);
                if let Some(credential) = credential {
                    request = request.header("Authorization", credential);
                }
                let answer = server.connect().send(&request);
                let case = format!("{method} {target} {credential:?}");
                assert_eq!(answer.status(), 401, "{case}");
                let model = if credential.as_ref() == Some(&old) { &told } else { &model };
                assert_eq!(without_date(&answer), without_date(model), "{case}");
                assert!(answer.body == model.body || method == "HEAD", "{case}");
            }
        }
    }
    server.get("/healthz").ok();
    server.get("/readyz").ok();
}

#[test]
fn a_token_is_taken_as_password_with_any_login_and_as_bearer() {
    let private = Private::new();
    let other = create(&private.file, "other", &[]);
    let token = &private.token;
    let target = narinfo_of(&private.standard.tree);
    eventually(|| get_with(&private.server, &other, &target).status() == 200);
    for header in [
        basic("reader", token),
        basic("", token),
        basic("someone@example.org", token),
        basic("other", token),
        format!("Bearer {token}"),
        format!("bearer {token}"),
        basic("x", token).replace("Basic", "BASIC"),
    ] {
        let request = Request::get(&target).header("Authorization", &header);
        private.server.connect().send(&request).ok();
    }
    let twice = with_token(with_token(Request::get(&target), token), token);
    assert_refusal(&private.server.connect().send(&twice), 401);
}

#[test]
fn a_token_for_something_else_is_forbidden_and_not_wrong() {
    let standard = Standard::new();
    let (builder, file) = private(&standard.store, "anonymous = []");
    let reader = create(&file, "reader", &[]);
    let pusher = create(&file, "pusher", &["--allow", "push"]);
    let watcher = create(&file, "watcher", &["--allow", "metrics"]);
    let server = builder.start();
    for target in targets(&standard) {
        let answer = get_with(&server, &pusher, &target);
        assert_refusal(&answer, 403);
        assert_eq!(answer.header("www-authenticate"), None);
        let expected = if target == "/metrics" { 200 } else { 403 };
        assert_eq!(get_with(&server, &watcher, &target).status(), expected, "{target}");
    }
    assert_refusal(&get_with(&server, &reader, "/metrics"), 403);
    assert_logged(&server, "token pusher lacks the permission: read");
}

#[test]
fn answers_to_holders_are_for_nobody_else() {
    let private = Private::new();
    let standard = &private.standard;
    let nar = nar_url(&private);
    let hash = standard.blob.hash_part();
    for target in [narinfo_of(&standard.blob), nar.clone(), format!("/{hash}.ls")] {
        let whole = private.get(&target);
        whole.ok();
        assert!(is_private(&whole), "{target}: {:?}", whole.head);
        assert!(is_private(&private.send(Request::head(&target))), "{target}");
        let etag = whole.header("etag").unwrap();
        let known = private.send(Request::get(&target).header("If-None-Match", etag));
        assert!(known.status() == 304 && is_private(&known), "{target}: {:?}", known.head);
    }
    let part = private.send(Request::get(&nar).header("Range", "bytes=5-"));
    assert!(part.status() == 206 && is_private(&part), "{:?}", part.head);
    // Public objects stay public, for every client.
    let open = Private::with("anonymous = [\"read\"]");
    for answer in [open.get(&nar), open.server.get(&nar)] {
        assert!(answer.header("cache-control").unwrap().starts_with("public, "));
    }
}

fn nar_url(private: &Private) -> String {
    let narinfo = private.get(&narinfo_of(&private.standard.blob));
    format!("/{}", crate::support::field(&narinfo, "URL").unwrap())
}

#[test]
fn what_everybody_may_read_is_not_withheld_from_an_old_token() {
    let standard = Standard::new();
    let (builder, file) =
        private(&standard.store, "anonymous = [\"read\"]\nfailure_delay = \"60s\"");
    let old = create_expired(&file, "old");
    let server = builder.start();
    let nar = nar_of(&server, &standard.tree);
    for token in [&*old, UNKNOWN, "nonsense"] {
        for target in [CACHE_INFO, &narinfo_of(&standard.tree), &nar] {
            get_with(&server, token, target).ok();
        }
    }
    assert_logged(&server, "wrong credential: the token old has expired");
    assert_logged(&server, "wrong credential: unknown token");
    assert_refusal(&server.get("/metrics"), 401);
}

#[test]
fn only_the_answer_to_a_wrong_token_is_delayed() {
    let private = Private::with("anonymous = []\nfailure_delay = \"60s\"");
    let mut guesser = private.server.connect();
    guesser.send_raw(&with_token(Request::get(CACHE_INFO), UNKNOWN).to_bytes());
    assert_logged(&private.server, "wrong credential: unknown token");
    // From the same address, and as many as there are workers and more.
    for _ in 0..64 {
        private.get(&narinfo_of(&private.standard.tree)).ok();
        assert_refusal(&private.server.get(CACHE_INFO), 401);
    }
    let answered = guesser.is_readable_within(std::time::Duration::from_millis(1));
    assert!(!answered, "the wrong token was answered before the good ones");

    let hasty = Private::with("anonymous = []\nfailure_delay = \"10ms\"");
    assert_refusal(&get_with(&hasty.server, UNKNOWN, CACHE_INFO), 401);
}

#[test]
fn a_cache_whose_file_of_tokens_is_empty_is_closed_but_ready() {
    let standard = Standard::new();
    let (builder, file) = private(&standard.store, "anonymous = []\nfailure_delay = \"0s\"");
    std::fs::write(file, "# nobody yet\n").unwrap();
    let server = builder.start();
    assert_refusal(&server.get(CACHE_INFO), 401);
    assert_refusal(&get_with(&server, UNKNOWN, CACHE_INFO), 401);
    server.get("/readyz").ok();
    let without = crate::support::server()
        .store(&standard.store)
        .section("[access]\nanonymous = []\nfailure_delay = \"0s\"")
        .start();
    assert_refusal(&get_with(&without, UNKNOWN, CACHE_INFO), 401);
}

#[test]
fn the_credentials_of_a_proxy_are_nothing_to_a_cache_without_any() {
    let standard = Standard::new();
    let server = server().store(&standard.store).start();
    let credentials =
        [("Authorization", "Basic cHJveHk6c2VjcmV0"), ("X-SSL-Client-Verify", "SUCCESS")];
    for (name, value) in credentials {
        let request = Request::get("/nix-cache-info").header(name, value);
        server.connect().send(&request).ok();
    }
    let metrics = server.get("/metrics");
    assert!(metrics.text().contains("\nrust_nix_serve_credentials_refused_total 0\n"));
    assert!(!server.stderr().contains("wrong credential"), "{}", server.stderr());
}

//! Tokens on connections that stay open: each request is judged by its own credential.

use rns_testing::{
    Server, Standard,
    http::{Request, Response},
};

use crate::{
    connections::kept::random,
    support::private::{UNKNOWN, create, get_with, private, token_command, with_token},
    support::{assert_refusal, eventually, narinfo_of, without_date},
};

const CLOSED: &str = "anonymous = []\nfailure_delay = \"0s\"";

/// The answer to a request on a connection of its own, when it is known which paths are shown.
fn alone(server: &Server, request: &Request) -> Response {
    loop {
        let answer = server.connect().send(request);
        if answer.status() != 503 {
            return answer;
        }
    }
}

#[test]
fn clients_with_different_tokens_on_one_connection_get_what_each_would_get_alone() {
    let standard = Standard::new();
    let (builder, file) = private(&standard.store, CLOSED);
    let tokens = [
        create(&file, "all", &[]),
        create(&file, "some", &["--paths", "self-*"]),
        create(&file, "watcher", &["--allow", "metrics"]),
        UNKNOWN.to_owned(),
    ];
    let server = builder.start();
    let paths = [&standard.itself, &standard.top, &standard.tree].map(narinfo_of);
    let targets =
        paths.iter().map(String::as_str).chain(["/00000000000000000000000000000000.narinfo"]);
    let mut requests = Vec::new();
    for target in targets {
        let get = || Request::get(target);
        requests.extend(tokens.iter().map(|token| with_token(get(), token)));
        requests.push(get());
        requests.push(get().header("Authorization", format!("Bearer {}", tokens[0])));
        requests.push(with_token(Request::head(target), &tokens[0]));
    }
    let expected: Vec<Response> = requests.iter().map(|request| alone(&server, request)).collect();
    let confined = expected.iter().filter(|answer| answer.status() == 404).count();
    assert!(confined > 4 && expected.iter().any(|answer| answer.status() == 200));
    let mut state = 3;
    let mut connection = server.connect();
    for _ in 0..2000 {
        let chosen = random(&mut state) % requests.len();
        let (request, expected) = (&requests[chosen], &expected[chosen]);
        let answer = connection.send(request);
        assert_eq!(answer.status(), expected.status(), "{request:?}");
        assert_eq!(without_date(&answer), without_date(expected), "{request:?}");
        assert_eq!(answer.body, expected.body, "{request:?}");
        if answer.status() == 200 {
            assert_eq!(answer.header("cache-control"), Some("private, max-age=3600"));
        }
    }
}

#[test]
fn a_revoked_token_is_refused_on_a_connection_that_is_in_use() {
    let standard = Standard::new();
    let (builder, file) = private(&standard.store, CLOSED);
    let (token, other) = (create(&file, "ci", &[]), create(&file, "other", &[]));
    let server = builder.start();
    let target = narinfo_of(&standard.tree);
    let connection = std::cell::RefCell::new(server.connect());
    let send =
        |token: &str| connection.borrow_mut().send(&with_token(Request::get(&target), token));
    for _ in 0..20 {
        assert_eq!((send(&token).status(), send(&other).status()), (200, 200));
    }
    token_command("revoke", &file, &["ci"]);
    eventually(|| {
        assert_eq!(send(&other).status(), 200);
        send(&token).status() == 401
    });
    for _ in 0..20 {
        assert_refusal(&send(&token), 401);
        assert_eq!(send(&other).status(), 200);
    }
    // A token that is let in again counts again.
    let again = create(&file, "ci", &[]);
    eventually(|| get_with(&server, &again, &target).status() == 200);
    assert_eq!(send(&again).status(), 200);
    assert_refusal(&send(&token), 401);
}

//! A private cache behind nginx, which sends compressed NARs by itself.

use rns_testing::{Scratch, Standard, http::Request};

use crate::{
    support::compression::{compressing, large},
    support::nginx::Front,
    support::private::{UNKNOWN, create, with_token},
    support::{assert_refusal, field, is_installed, narinfo_of},
};

#[test]
fn what_nginx_sends_itself_is_for_the_holder_alone_and_for_no_one_else() {
    if !is_installed("nginx") {
        return;
    }
    let (mut standard, scratch) = (Standard::new(), Scratch::new());
    let large = large(&mut standard.store);
    let (socket, directory) = (scratch.join("nginx.sock"), scratch.join("nars"));
    let listen = format!("unix:{}", socket.display());
    let file = scratch.join("tokens");
    let token = create(&file, "ci", &[]);
    let server = compressing(&standard.store, &directory, "zstd")
        .section(&format!("[nginx]\nlisten = {listen:?}\nlocation = \"/nar-cache/\""))
        .section(&format!("[access]\nanonymous = []\nfailure_delay = \"0s\"\ntokens = {file:?}"))
        .listen(["127.0.0.1:0", &listen])
        .start();
    let front = Front::start(&listen, &directory);
    let send = |request: Request| front.send(&with_token(request, &token));
    let narinfo = send(Request::get(narinfo_of(&large)));
    let target = format!("/{}", field(&narinfo, "URL").unwrap());
    let cold = send(Request::get(&target));
    cold.ok();
    let etag = cold.header("etag").unwrap();
    let warm = send(Request::get(&target));
    assert!(warm.ok() == cold.body);
    let head = send(Request::head(&target));
    let part = send(Request::get(&target).header("Range", "bytes=100-"));
    assert_eq!(part.status(), 206);
    let known = send(Request::get(&target).header("If-None-Match", etag));
    assert_eq!(known.status(), 304);
    for answer in [narinfo, cold.clone(), warm, head, part, known] {
        let said = answer.head.headers_named("cache-control");
        assert!(said.len() == 1 && said[0].starts_with("private, "), "{:?}", answer.head);
    }
    // The file is there, and is sent to no client without a token.
    for request in [Request::get(&target), with_token(Request::get(&target), UNKNOWN)] {
        assert_refusal(&front.send(&request), 401);
        assert_refusal(&server.connect().send(&request), 401);
    }
    let location = Request::get(&target).header("X-Accel-Redirect", "/nar-cache/x");
    assert_refusal(&front.send(&location), 401);
}

//! Roots and retention on the page: for tokens with `pin`, and for clients that see every path.

use std::time::Duration;

use rns_formats::StorePath;
use rns_testing::{Standard, http::Request};

use super::Pinnable;
use crate::support::{
    full,
    private::{create, with_token},
    within,
};

#[test]
fn the_page_shows_roots_to_those_who_pin() {
    let (standard, pins) = (Standard::new(), Pinnable::new());
    pins.cache.push(&standard, &standard.blob);
    pins.pin("/gcroots/project/main?label=%3Cb%3E", &[&standard.blob]);
    let page = pins.send(Request::get("/"));
    assert!(page.text().contains("Kept paths"), "{}", page.text());
    assert!(page.text().contains("project/main") && page.text().contains("&lt;b&gt;"));
    // As much as the list tells.
    let list = with_token(Request::get("/gcroots?sizes=1"), &pins.token);
    let list = pins.cache.server.connect().send(&list).text().to_owned();
    let frees = list.lines().next().and_then(|line| line.split_once("  frees ")).unwrap().1;
    assert!(page.text().contains("Removing it frees"), "{}", page.text());
    assert!(page.text().contains(&format!("<td>{frees}</td>")), "{frees}: {}", page.text());
    assert!(!pins.cache.server.get("/").text().contains("Kept paths"));
    assert!(!pins.cache.send(Request::get("/")).text().contains("project/main"));
}

#[test]
fn the_page_names_the_first_paths_to_go_to_those_who_see_everything() {
    let standard = Standard::new();
    let mut confined = String::new();
    let pins = Pinnable::with(|builder| {
        let file = builder.scratch().join("tokens");
        confined = create(&file, "some", &["--allow", "read,pin", "--paths", "top*"]);
        builder.section("[retention]\nmin_age = \"0s\"\nmax_size = \"1G\"\ninterval = \"1s\"")
    });
    for path in [&standard.dep, &standard.top, &standard.blob] {
        pins.cache.push(&standard, path);
    }
    assert_eq!(pins.pin("/gcroots/main", &[&standard.top]).status(), 200);
    let page = || pins.send(Request::get("/")).text().to_owned();
    within(Duration::from_secs(60), || page().contains("<dt>Roots need</dt><dd>2 paths"));
    let page = page();
    assert!(page.contains(&format!("<li><code>{}</code>", standard.blob)), "{page}");
    assert!(page.contains("of 1.0 GiB") && page.contains("Next collection"), "{page}");
    // Roots keep the others.
    assert!(!page.contains(&format!("<code>{}</code>", standard.dep)), "{page}");
    let some = with_token(Request::get("/"), &confined);
    for other in [pins.cache.server.connect().send(&some), pins.cache.server.get("/")] {
        // Nor are the roots of others shown in a cache that all may read.
        assert!(!other.text().contains("first to go"), "{}", other.text());
        assert!(!other.text().contains("Kept paths"), "{}", other.text());
    }
}

#[test]
fn the_page_lists_all_that_would_go_and_says_why_a_path_stays() {
    let standard = Standard::new();
    let mut confined = String::new();
    let pins = Pinnable::with(|builder| {
        let file = builder.scratch().join("tokens");
        confined = create(&file, "some", &["--allow", "read,pin", "--paths", "*"]);
        builder.section("[retention]\nmin_age = \"0s\"\nkeep_roots = true\ninterval = \"0s\"")
    });
    for path in [&standard.dep, &standard.top, &standard.blob] {
        pins.cache.push(&standard, path);
    }
    assert_eq!(pins.pin("/gcroots/main", &[&standard.top]).status(), 200);
    // Times are kept in whole seconds.
    std::thread::sleep(Duration::from_millis(1100));
    let page = |query: &str| pins.send(Request::get(format!("/?{query}"))).text().to_owned();
    let going = page("going=0");
    assert!(going.contains("1 paths, ") && going.contains(": no root needs them"), "{going}");
    assert!(going.contains(": roots need them"), "{going}");
    let place =
        |path: &StorePath| format!("<td>1</td><th scope=\"row\"><code>{}</code>", full(path));
    assert!(going.contains(&place(&standard.blob)), "{going}");
    for path in [&standard.dep, &standard.top] {
        assert!(!going.contains(&format!("<th scope=\"row\"><code>{}", full(path))), "{going}");
    }
    // A path, a file in it, a base name and a hash part are understood.
    let (dep, top) = (full(&standard.dep), full(&standard.top));
    for asked in [
        dep.clone(),
        format!("{dep}/bin/x"),
        standard.dep.to_string(),
        standard.dep.hash_part().to_string(),
    ] {
        let why = page(&format!("why={asked}"));
        assert!(why.contains("Stays: the root main needs it."), "{asked}: {why}");
        let chain = format!("<li><code>{top}</code></li><li><code>{dep}</code></li>");
        assert!(why.contains(&chain), "{asked}: {why}");
    }
    let why = page(&format!("why={}", full(&standard.blob)));
    assert!(why.contains("Goes: nothing keeps it") && !why.contains("Stays:"), "{why}");
    assert!(page(&format!("why={}", "0".repeat(32))).contains("is not in the storage"));
    assert!(page("why=%3Cb%3E").contains("<code>&lt;b&gt;</code> is no store path"));
    for query in ["going=0".to_owned(), format!("why={dep}")] {
        let request = Request::get(format!("/?{query}"));
        let some = pins.cache.server.connect().send(&with_token(request.clone(), &confined));
        let any = pins.cache.server.connect().send(&request);
        for other in [some, any] {
            assert!(!other.text().contains("Stays:"), "{}", other.text());
            assert!(!other.text().contains("would go"), "{}", other.text());
        }
    }
}

//! Checks C38 to C44: parts of a NAR, and how clients tell them from parts of another.

use rns_testing::{Standard, http::Request};

use super::ranged;
use crate::support::{nar_of, narinfo_of, serve};

#[test]
fn c38_a_download_goes_on_where_it_was_cut() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let target = nar_of(&server, &standard.blob);
    let whole = server.get(&target);
    let len = whole.ok().len();
    for start in [1, 95, 96, 97, 1_000_000, len - 17, len - 1] {
        let part = ranged(&server, &target, &format!("bytes={start}-"));
        assert_eq!(part.status(), 206);
        assert_eq!(
            part.header("content-range"),
            Some(&*format!("bytes {start}-{}/{len}", len - 1))
        );
        assert_eq!(part.head.content_length(), Some((len - start) as u64));
        assert!(part.complete && part.body == whole.body[start..], "from {start}");
    }
}

#[test]
fn c38_every_offset_of_a_tree_can_be_resumed_at() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let target = nar_of(&server, &standard.tree);
    let whole = standard.store.nar(&standard.tree);
    let mut connection = server.connect();
    for start in 0..whole.len() {
        let part =
            connection.send(&Request::get(&target).header("Range", format!("bytes={start}-")));
        assert!(part.status() == 206 && part.body == whole[start..], "from {start}");
    }
    for (start, end) in [(0, 0), (7, 8), (230, 240), (100, 1431), (500, 99_999)] {
        let part =
            connection.send(&Request::get(&target).header("Range", format!("bytes={start}-{end}")));
        assert!(part.status() == 206 && part.body == whole[start..=end.min(1431)], "{start}-{end}");
    }
    let last = connection.send(&Request::get(&target).header("Range", "bytes=-10"));
    assert!(last.status() == 206 && last.body == whole[whole.len() - 10..]);
}

#[test]
fn c39_a_range_from_zero_is_the_whole_as_206() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let part = ranged(&server, &nar_of(&server, &standard.tree), "bytes=0-");
    assert_eq!((part.status(), part.header("content-range")), (206, Some("bytes 0-1431/1432")));
    assert!(part.body == standard.store.nar(&standard.tree));
}

#[test]
fn c40_a_range_behind_the_end_is_416_with_the_size() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let target = nar_of(&server, &standard.tree);
    for range in ["bytes=1432-", "bytes=1432-1433", "bytes=99999999999999999-"] {
        let answer = ranged(&server, &target, range);
        assert_eq!(
            (answer.status(), answer.header("content-range")),
            (416, Some("bytes */1432")),
            "{range}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{range}");
        assert!(answer.body.len() < 1024);
    }
}

#[test]
fn c41_an_absurd_range_is_never_a_server_error() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let target = nar_of(&server, &standard.tree);
    let whole = standard.store.nar(&standard.tree);
    let ranges = [
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=--",
        "bytes=a-b",
        "bytes=5-1",
        "bytes=-0",
        "bytes=0-0,5-9",
        "lines=1-2",
        "=1-",
        "bytes=1",
        "bytes=+1-",
        "bytes=0x1-",
        "bytes=99999999999999999999999999-",
        "bytes=-99999999999999999999999999",
        "bytes=18446744073709551615-18446744073709551615",
        "bytes=1- ,",
        "bytes 1-2",
        "",
        ",",
        "bytes=1-2-3",
    ];
    for range in ranges {
        let answer = ranged(&server, &target, range);
        match answer.status() {
            200 => assert!(answer.ok() == whole, "{range:?}"),
            206 | 416 => assert!(answer.complete, "{range:?}"),
            other => panic!("{other} for {range:?}"),
        }
    }
}

#[test]
fn c42_a_part_is_never_encoded() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let target = nar_of(&server, &standard.blob);
    for codings in ["zstd, br, gzip, deflate, bzip2, xz", "deflate, gzip, br, zstd", "*"] {
        let request = Request::get(&target)
            .header("Range", "bytes=1000000-")
            .header("Accept-Encoding", codings);
        let part = server.connect().send(&request);
        assert_eq!((part.status(), part.header("content-encoding")), (206, None));
        assert!(part.body == standard.store.nar(&standard.blob)[1_000_000..]);
    }
}

#[test]
fn c43_the_etag_survives_ranges_and_restarts() {
    let standard = Standard::new();
    let first = serve(&standard.store);
    let target = nar_of(&first, &standard.tree);
    let whole = first.get(&target);
    let etag = whole.header("etag").unwrap().to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag} is not a strong validator");
    assert_eq!(ranged(&first, &target, "bytes=5-").header("etag"), Some(&*etag));
    assert_eq!(first.head(&target).header("etag"), Some(&*etag));
    drop(first);
    let second = serve(&standard.store);
    assert_eq!(second.get(&target).header("etag"), Some(&*etag));
    assert_eq!(ranged(&second, &target, "bytes=5-").header("etag"), Some(&*etag));
}

#[test]
fn c43_conditions_are_honoured() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    for target in [nar_of(&server, &standard.tree), narinfo_of(&standard.tree)] {
        let etag = server.get(&target).header("etag").unwrap().to_owned();
        for known in
            [etag.clone(), format!("\"other\", {etag}"), "*".to_owned(), format!("W/{etag}")]
        {
            let answer =
                server.connect().send(&Request::get(&target).header("If-None-Match", known));
            assert_eq!((answer.status(), answer.body.len()), (304, 0), "{target}");
            assert_eq!(answer.header("etag"), Some(&*etag));
        }
        let answer =
            server.connect().send(&Request::get(&target).header("If-None-Match", "\"other\""));
        answer.ok();
    }
    let target = nar_of(&server, &standard.tree);
    let etag = server.get(&target).header("etag").unwrap().to_owned();
    let if_range = |value: &str| {
        let request = Request::get(&target).header("Range", "bytes=5-").header("If-Range", value);
        server.connect().send(&request).status()
    };
    assert_eq!(if_range(&etag), 206);
    assert_eq!(if_range("\"other\""), 200);
    assert_eq!(if_range("Thu, 01 Jan 1970 00:00:01 GMT"), 200);
}

#[test]
fn c44_ranges_are_offered_only_for_bytes_that_are_always_the_same() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let target = nar_of(&server, &standard.blob);
    let request = Request::get(&target).header("Accept-Encoding", "zstd, gzip");
    let answer = server.connect().send(&request);
    if answer.header("content-encoding").is_some() {
        assert_eq!(answer.header("accept-ranges"), None);
    } else {
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
        assert!(answer.ok() == server.get(&target).ok());
    }
}

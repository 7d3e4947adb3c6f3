//! Check C54: how much memory a huge NAR takes.

use rns_formats::Sha256Digest;
use rns_testing::{Entry, FixtureStore, Tree, http::Request};

use crate::support::{field, is_full, narinfo_of, server};

#[test]
fn c54_a_huge_nar_takes_no_memory() {
    let size: u64 = if is_full() { 10 << 30 } else { 1 << 30 };
    let huge = Entry::new("huge", Tree::zeroes(size));
    let mut store = FixtureStore::new();
    let (path, verify) = if is_full() {
        // Hashing ten GiB twice would show nothing that hashing one does not.
        (store.insert(huge.claiming(Sha256Digest::of(b"nobody looks"), size + 112)), "never")
    } else {
        (store.insert(huge), "once")
    };
    let server = server().store(&store).store_key("verify", verify).start();
    let narinfo = server.get(&narinfo_of(&path));
    let target = format!("/{}", field(&narinfo, "URL").unwrap());
    let before = server.resident_bytes();
    let mut connection = server.connect();
    let (head, mut body) = connection.start(&Request::get(target));
    assert_eq!(head.content_length(), Some(size + 112));
    let mut buffer = vec![0; 1 << 20];
    let (mut total, mut most) = (0, before);
    let mut looked = 0;
    loop {
        let read = connection.read_body(&mut body, &mut buffer) as u64;
        if read == 0 {
            break;
        }
        total += read;
        if total - looked > 64 << 20 {
            looked = total;
            most = most.max(server.resident_bytes());
        }
    }
    assert_eq!((total, body.ended()), (size + 112, Some(true)));
    assert!(most - before < 64 << 20, "{} MiB more", (most - before) >> 20);
}

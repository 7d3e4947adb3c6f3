//! Listings of NARs.

use rns_cache::BinaryCache as _;
use rns_formats::{HashPart, ListingNode, NarListing};
use rns_testing::{Entry, FixtureStore, Standard, Tree};

use crate::open;

#[tokio::test]
async fn a_listing_is_what_nix_writes_of_the_same_tree() {
    let fixture = Standard::new();
    let listing =
        open(&fixture.store).listing(fixture.tree.hash_part()).await.unwrap().expect("registered");
    let nar_hash = fixture.store.info(&fixture.tree).nar_hash;
    assert_eq!(listing.etag, format!("ls-{}", nar_hash.to_nix32()));
    assert_eq!(
        str::from_utf8(&listing.json).unwrap(),
        r#"{"version":1,"root":{"type":"directory","entries":{"a":{"type":"regular","size":6,"narOffset":232},"dir":{"type":"directory","entries":{"lnk":{"type":"symlink","target":"../a"},"run":{"type":"regular","size":18,"executable":true,"narOffset":784}}},"eight":{"type":"regular","size":8,"narOffset":1024},"empty":{"type":"directory","entries":{}},"zero":{"type":"regular","size":0,"narOffset":1384}}}}"#
    );
}

#[tokio::test]
async fn its_offsets_lead_to_the_contents_in_the_nar() {
    let fixture = Standard::new();
    let store = open(&fixture.store);
    for (path, text) in
        [(&fixture.executable, "#!/bin/sh\necho run\n"), (&fixture.dep, "dep contents\n")]
    {
        let listing = store.listing(path.hash_part()).await.unwrap().unwrap();
        let NarListing { root: ListingNode::Regular { size, nar_offset: Some(offset), .. } } =
            NarListing::parse(&listing.json).unwrap()
        else {
            panic!("{path} is a file");
        };
        let nar = fixture.store.nar(path);
        assert_eq!(&nar[offset as usize..(offset + size) as usize], text.as_bytes());
    }
}

#[tokio::test]
async fn names_and_targets_that_are_not_utf_8_have_no_listing() {
    let mut fixture = FixtureStore::new();
    let name = fixture.add("name", Tree::directory([(b"caf\xe9", Tree::file(""))]));
    let target = fixture.add("target", Tree::symlink(b"\xff"));
    let fine = fixture.add("fine", Tree::directory([("café \"\u{1}", Tree::file(""))]));
    let store = open(&fixture);
    assert!(store.listing(name.hash_part()).await.unwrap().is_none());
    assert!(store.listing(target.hash_part()).await.unwrap().is_none());
    let listing = store.listing(fine.hash_part()).await.unwrap().expect("it is UTF-8");
    let ListingNode::Directory(entries) = NarListing::parse(&listing.json).unwrap().root else {
        panic!("a directory")
    };
    assert_eq!(entries.keys().collect::<Vec<_>>(), ["café \"\u{1}"]);
}

#[tokio::test]
async fn what_is_not_there_has_no_listing() {
    let mut fixture = FixtureStore::new();
    let entry = Entry::new("changed", Tree::directory([("a", Tree::file("a"))]));
    let info = fixture.path_info_for(&entry);
    let changed = fixture.insert(entry.claiming(info.nar_hash, info.nar_size + 8));
    let gone = fixture.add("gone", Tree::file("x"));
    fixture.remove_files(&gone);
    let store = open(&fixture);
    for hash in [changed.hash_part(), gone.hash_part(), HashPart::from_bytes([1; 20])] {
        assert!(store.listing(hash).await.unwrap().is_none());
    }
}

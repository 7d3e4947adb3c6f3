//! Listings as other tools read and write them.

use rns_formats::{LayoutBuilder, LayoutError, NarLimits, NarListing, NotUtf8};

fn listing(
    describe: impl FnOnce(&mut LayoutBuilder) -> Result<(), LayoutError>,
) -> Result<String, NotUtf8> {
    let mut builder = LayoutBuilder::new(NarLimits::default());
    describe(&mut builder).unwrap();
    NarListing::to_json(&builder.finish().unwrap()).map(|json| String::from_utf8(json).unwrap())
}

/// As Nix 2.8 wrote it for the same tree.
#[test]
fn a_listing_is_that_of_nix() {
    let json = listing(|tree| {
        tree.enter_directory()?;
        tree.entry(b"a")?;
        tree.regular(false, 6)?;
        tree.entry(b"dir")?;
        tree.enter_directory()?;
        tree.entry(b"lnk")?;
        tree.symlink(b"../a")?;
        tree.entry(b"run")?;
        tree.regular(true, 18)?;
        tree.leave_directory()?;
        tree.entry(b"eight")?;
        tree.regular(false, 8)?;
        tree.entry(b"empty")?;
        tree.enter_directory()?;
        tree.leave_directory()?;
        tree.entry(b"zero")?;
        tree.regular(false, 0)?;
        tree.leave_directory()
    });
    let want = concat!(
        r#"{"version":1,"root":{"type":"directory","entries":{"#,
        r#""a":{"type":"regular","size":6,"narOffset":232},"#,
        r#""dir":{"type":"directory","entries":{"#,
        r#""lnk":{"type":"symlink","target":"../a"},"#,
        r#""run":{"type":"regular","size":18,"executable":true,"narOffset":784}}},"#,
        r#""eight":{"type":"regular","size":8,"narOffset":1024},"#,
        r#""empty":{"type":"directory","entries":{}},"#,
        r#""zero":{"type":"regular","size":0,"narOffset":1384}}}}"#,
    );
    assert_eq!(json.unwrap(), want);
}

#[test]
fn a_file_can_be_the_root() {
    let json = listing(|tree| tree.regular(false, 62)).unwrap();
    assert_eq!(json, r#"{"version":1,"root":{"type":"regular","size":62,"narOffset":96}}"#);
}

#[test]
fn awkward_names_are_escaped() {
    let json = listing(|tree| {
        tree.enter_directory()?;
        tree.entry(b"\"\\\n")?;
        tree.symlink("é\u{1}".as_bytes())?;
        tree.leave_directory()
    });
    let want = r#"{"version":1,"root":{"type":"directory","entries":{"\"\\\n":{"type":"symlink","target":"é\u0001"}}}}"#;
    assert_eq!(json.unwrap(), want);
}

#[test]
fn names_that_are_not_utf8_are_not_altered_but_refused() {
    let name = listing(|tree| {
        tree.enter_directory()?;
        tree.entry(b"d")?;
        tree.enter_directory()?;
        tree.entry(b"caf\xe9")?;
        tree.regular(false, 0)?;
        tree.leave_directory()?;
        tree.leave_directory()
    });
    assert_eq!(name, Err(NotUtf8 { path: (*b"d/caf\xe9").into() }));
    let target = listing(|tree| tree.symlink(b"\xff"));
    assert_eq!(target, Err(NotUtf8 { path: (*b"").into() }));
}

/// Its JSON has 128 levels, which is one more than `serde_json` reads by itself.
#[test]
fn the_deepest_tree_can_be_listed_and_read_back() {
    let json = listing(|tree| {
        for _ in 0..63 {
            tree.enter_directory()?;
            tree.entry(b"d")?;
        }
        tree.regular(false, 1)?;
        (0..63).try_for_each(|_| tree.leave_directory())
    });
    NarListing::parse(json.unwrap().as_bytes()).unwrap();
}

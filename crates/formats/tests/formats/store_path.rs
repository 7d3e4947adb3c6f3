use proptest::prelude::*;
use rns_formats::{HashPart, StoreDir, StoreDirError, StorePath, StorePathError, StorePathName};

use crate::arbitrary;

const HASH: &str = "6jq25iv0b90n2gjbns74ps6pjrmfx0n3";

#[test]
fn a_path_has_a_hash_part_and_a_name() {
    let path = StorePath::parse(&format!("{HASH}-top.txt")).unwrap();
    assert_eq!(path.hash_part().to_string(), HASH);
    assert_eq!(path.name(), "top.txt");
    assert_eq!(path.to_string(), format!("{HASH}-top.txt"));
    assert!(!path.is_derivation());
    assert!(StorePath::parse(&format!("{HASH}-a.drv")).unwrap().is_derivation());
}

#[test]
fn names_may_have_every_character_nix_allows() {
    let longest = "x".repeat(211);
    for name in ["a", "gtk+-2.24", "ca-+x=1?y.drv", ".hidden", "...", "._", "a-.", "-", &longest] {
        assert_eq!(StorePathName::parse(name).unwrap().as_str(), name);
        assert_eq!(StorePath::parse(&format!("{HASH}-{name}")).unwrap().name(), name);
    }
}

#[test]
fn names_nix_refuses_are_refused() {
    let too_long = "x".repeat(212);
    let wrong = |byte| StorePathError::InvalidNameByte { byte };
    for (name, error) in [
        ("", StorePathError::EmptyName),
        (too_long.as_str(), StorePathError::NameTooLong { length: 212 }),
        (".", StorePathError::DotName),
        ("..", StorePathError::DotName),
        (".-a", StorePathError::DotName),
        ("..-a", StorePathError::DotName),
        ("a/b", wrong(b'/')),
        ("a b", wrong(b' ')),
        ("a\n", wrong(b'\n')),
        ("a\r", wrong(b'\r')),
        ("a\0", wrong(0)),
        ("a%2e", wrong(b'%')),
        ("a~b", wrong(b'~')),
        ("é", wrong(0xc3)),
    ] {
        assert_eq!(StorePathName::parse(name), Err(error.clone()), "{name:?}");
        assert_eq!(StorePath::parse(&format!("{HASH}-{name}")), Err(error), "{name:?}");
    }
}

#[test]
fn hash_parts_are_32_lower_case_digits() {
    assert_eq!(HashPart::parse(HASH).unwrap().to_string(), HASH);
    let upper = HASH.to_uppercase();
    let letters = HASH.replace('q', "e");
    let long = format!("{HASH}0");
    for wrong in ["", &HASH[1..], &long, &upper, &letters, &"é".repeat(16)] {
        assert_eq!(HashPart::parse(wrong), Err(StorePathError::InvalidHashPart), "{wrong:?}");
    }
}

#[test]
fn what_is_not_a_base_name_is_refused() {
    for (base, error) in [
        ("", StorePathError::TooShort),
        ("top.txt", StorePathError::TooShort),
        (&HASH[1..], StorePathError::TooShort),
        (HASH, StorePathError::NoDash),
        (&format!("{HASH}top.txt"), StorePathError::NoDash),
        (&format!("{HASH}_top.txt"), StorePathError::NoDash),
        (&format!("/nix/store/{HASH}-top.txt"), StorePathError::InvalidHashPart),
        (&format!("{}é-top.txt", &HASH[1..]), StorePathError::InvalidHashPart),
    ] {
        assert_eq!(StorePath::parse(base), Err(error), "{base:?}");
    }
}

#[test]
fn full_paths_are_directly_below_the_store_directory() {
    let dir = StoreDir::parse("/foo/store").unwrap();
    let path = dir.parse_path(&format!("/foo/store/{HASH}-top.txt")).unwrap();
    assert_eq!(dir.print(&path), format!("/foo/store/{HASH}-top.txt"));
    for outside in [
        format!("{HASH}-top.txt"),
        format!("/nix/store/{HASH}-top.txt"),
        format!("/foo/storex/{HASH}-top.txt"),
        format!("/foo/store{HASH}-top.txt"),
        "/foo/store".to_owned(),
    ] {
        let expected = StorePathError::NotInStore { store_dir: dir.clone() };
        assert_eq!(dir.parse_path(&outside), Err(expected), "{outside:?}");
    }
    for below in [format!("/foo/store//{HASH}-top.txt"), format!("/foo/store/{HASH}-top.txt/bin")] {
        assert!(dir.parse_path(&below).is_err(), "{below:?}");
    }
}

#[test]
fn store_directories_are_absolute_and_in_normal_form() {
    assert_eq!(StoreDir::default().as_str(), "/nix/store");
    for dir in ["/nix/store", "/a", "/home/me/my store", "/é/store", "/..a/b"] {
        assert_eq!(StoreDir::parse(dir).unwrap().as_str(), dir);
    }
    for dir in ["", "nix/store", "./store"] {
        assert_eq!(StoreDir::parse(dir), Err(StoreDirError::NotAbsolute), "{dir:?}");
    }
    for dir in ["/", "/nix/store/", "//nix/store", "/nix//store", "/nix/./store", "/nix/../store"] {
        assert_eq!(StoreDir::parse(dir), Err(StoreDirError::NotNormal), "{dir:?}");
    }
    for dir in ["/nix/store\n", "/nix\0/store", "/nix\r/store"] {
        assert_eq!(StoreDir::parse(dir), Err(StoreDirError::ControlCharacter), "{dir:?}");
    }
}

proptest! {
    #[test]
    fn reading_undoes_printing(dir in arbitrary::store_dir(), path in arbitrary::store_path()) {
        prop_assert_eq!(&StoreDir::parse(dir.as_str()).unwrap(), &dir);
        prop_assert_eq!(&dir.parse_path(&dir.print(&path)).unwrap(), &path);
        prop_assert_eq!(&StorePath::parse(path.as_str()).unwrap(), &path);
        prop_assert_eq!(HashPart::parse(&path.hash_part().to_string()), Ok(path.hash_part()));
        let name = StorePathName::parse(path.name()).unwrap();
        prop_assert_eq!(StorePath::from_parts(path.hash_part(), &name), path);
    }

    #[test]
    fn order_is_that_of_the_spelling(
        (a, b) in (arbitrary::store_path(), arbitrary::store_path()),
        close in any::<(prop::sample::Index, u8)>(),
    ) {
        prop_assert_eq!(a.cmp(&b), a.as_str().cmp(b.as_str()));
        let mut near = *a.hash_part().as_bytes();
        *close.0.get_mut(&mut near) = close.1;
        for other in [b.hash_part(), HashPart::from_bytes(near)] {
            let spelled = a.hash_part().to_string().cmp(&other.to_string());
            prop_assert_eq!(a.hash_part().cmp(&other), spelled);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(
        text in prop_oneof![
            any::<String>(),
            "[0-9a-z]{31,33}-?[a-z./-]{0,4}",
            arbitrary::damaged(arbitrary::store_path().prop_map(|path| path.to_string())),
        ]
    ) {
        if let Ok(path) = StorePath::parse(&text) {
            prop_assert_eq!(path.to_string(), &*text);
            prop_assert_eq!(format!("{}-{}", path.hash_part(), path.name()), &*text);
        }
        if let Ok(dir) = StoreDir::parse(&text) {
            prop_assert_eq!(dir.as_str(), &*text);
        }
        let _ = HashPart::parse(&text);
        let _ = StoreDir::default().parse_path(&text);
    }
}

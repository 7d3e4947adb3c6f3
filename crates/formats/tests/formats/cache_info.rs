use proptest::prelude::*;
use rns_formats::{CacheInfo, CacheInfoError, StoreDir, StoreDirError};

use crate::arbitrary;

#[test]
fn the_file_is_the_one_clients_expect() {
    let info = CacheInfo {
        store_dir: StoreDir::default(),
        want_mass_query: true,
        priority: 30,
        unknown: Vec::new(),
    };
    assert_eq!(info.to_string(), "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n");
    assert_eq!(CacheInfo::parse(&info.to_string()), Ok(info));
}

#[test]
fn what_is_missing_has_the_default_of_clients() {
    let uploaded = CacheInfo::parse("StoreDir: /nix/store\n").unwrap();
    assert_eq!(uploaded, CacheInfo::default());
    assert_eq!(CacheInfo::parse(""), Ok(CacheInfo::default()));
    assert_eq!((uploaded.priority, uploaded.want_mass_query), (50, false));
}

#[test]
fn lines_are_read_as_clients_read_them() {
    let text = "\nno colon\r\nPriority:  -7 \r\nStoreDir:/foo/store\nX: a: b\nWantMassQuery:1";
    let info = CacheInfo::parse(text).unwrap();
    assert_eq!(info.store_dir.as_str(), "/foo/store");
    assert_eq!(info.priority, -7);
    assert!(info.want_mass_query);
    assert_eq!(info.unknown, [("X".to_owned(), "a: b".to_owned())]);
}

#[test]
fn mass_queries_are_wanted_only_with_a_one() {
    for value in ["0", "true", "yes", "01", "1 1", ""] {
        let text = format!("WantMassQuery: {value}\n");
        assert!(!CacheInfo::parse(&text).unwrap().want_mass_query, "{value:?}");
    }
}

#[test]
fn what_clients_refuse_is_refused() {
    for value in ["", "high", "4.0", "99999999999"] {
        let parsed = CacheInfo::parse(&format!("Priority: {value}\n"));
        assert_eq!(parsed, Err(CacheInfoError::InvalidPriority), "{value:?}");
    }
    let relative = CacheInfo::parse("StoreDir: nix/store\n");
    assert_eq!(relative, Err(CacheInfoError::InvalidStoreDir(StoreDirError::NotAbsolute)));
}

proptest! {
    #[test]
    fn reading_undoes_writing(info in arbitrary::cache_info()) {
        prop_assert_eq!(CacheInfo::parse(&info.to_string()), Ok(info));
    }

    #[test]
    fn any_text_is_read_or_refused(
        text in prop_oneof![
            any::<String>(),
            arbitrary::damaged(arbitrary::cache_info().prop_map(|info| info.to_string())),
        ]
    ) {
        let _ = CacheInfo::parse(&text);
    }
}

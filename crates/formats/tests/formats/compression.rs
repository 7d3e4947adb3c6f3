use rns_formats::Compression;

#[test]
fn every_method_is_found_by_its_name_and_suffix() {
    for method in Compression::ALL {
        assert_eq!(Compression::parse(method.name()), Ok(method));
        assert_eq!(Compression::from_file_suffix(method.file_suffix()), Some(method));
    }
}

#[test]
fn suffixes_are_those_of_files_nix_uploads() {
    let uploaded = ["none", "xz", "bzip2", "zstd", "br", "lzip", "lz4"]
        .map(|name| Compression::parse(name).unwrap().file_suffix());
    assert_eq!(uploaded, ["", ".xz", ".bz2", ".zst", ".br", ".lzip", ".lz4"]);
}

#[test]
fn other_names_are_refused() {
    for name in ["", "XZ", "xz ", "zst", "identity"] {
        assert!(Compression::parse(name).is_err(), "{name:?}");
    }
    for suffix in ["xz", ".", ".nar", ".ZST"] {
        assert_eq!(Compression::from_file_suffix(suffix), None, "{suffix:?}");
    }
}

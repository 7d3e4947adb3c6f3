//! Store paths, their parts, and store directories: read back as written.

use rns_formats::{HashPart, StoreDir, StorePath, StorePathName};

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(hash_part) = HashPart::parse(text) {
        assert_eq!(hash_part.to_string(), text);
    }
    if let Ok(store_dir) = StoreDir::parse(text) {
        assert_eq!(store_dir.to_string(), text);
        assert!(text.starts_with('/') && !text.ends_with('/') && !text.contains("//"));
    }
    if let Ok(path) = StorePath::parse(text) {
        assert_eq!(path.to_string(), text);
        let name = StorePathName::parse(path.name()).expect("its own name is valid");
        assert_eq!(StorePath::from_parts(path.hash_part(), &name), path);
    }
    // A full path has one reading at most for each directory that it could be in.
    if let Some((dir, base)) = text.rsplit_once('/')
        && let Ok(store_dir) = StoreDir::parse(dir)
    {
        let path = store_dir.parse_path(text);
        assert_eq!(path.is_ok(), StorePath::parse(base).is_ok());
        if let Ok(path) = path {
            assert_eq!(store_dir.print(&path), text);
        }
    }
}

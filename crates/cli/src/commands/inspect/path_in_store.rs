//! A store path, and a path inside it, as people name them.

use std::{fs, os::unix::ffi::OsStrExt as _, path::Path};

use anyhow::{Context as _, bail};
use rns_formats::{HashPart, StoreDir, StorePath};

/// A store path, or a file inside one, as the command line names it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::commands) struct PathInStore {
    pub(in crate::commands) hash: HashPart,
    /// The whole base name, where that was given.
    pub(in crate::commands) base: Option<StorePath>,
    /// The names on the way to the file inside the path.
    pub(super) inside: Vec<Vec<u8>>,
}

impl PathInStore {
    /// Reads a path in the store, a base name or a hash part, each with or without a path inside; failing that, a
    /// path elsewhere, such as `./result`, that leads into the store.
    ///
    /// # Errors
    ///
    /// When it is none of these.
    pub(in crate::commands) fn parse(path: &Path, store_dir: &StoreDir) -> anyhow::Result<Self> {
        let bytes = path.as_os_str().as_bytes();
        let below = |bytes: &[u8]| {
            let rest = bytes.strip_prefix(store_dir.as_str().as_bytes())?;
            rest.strip_prefix(b"/").map(<[u8]>::to_vec)
        };
        if let Some(rest) = below(bytes) {
            return Self::of_name(&rest)
                .with_context(|| format!("{} is not a store path", path.display()));
        }
        let is_elsewhere = bytes.contains(&b'/') && path.exists();
        if let (false, Ok(place)) = (is_elsewhere, Self::of_name(bytes)) {
            return Ok(place);
        }
        match fs::canonicalize(path).ok().and_then(|real| below(real.as_os_str().as_bytes())) {
            Some(rest) => Self::of_name(&rest)
                .with_context(|| format!("{} is not a store path", path.display())),
            None => bail!("{} does not name a path in {}", path.display(), store_dir.as_str()),
        }
    }

    fn of_name(bytes: &[u8]) -> anyhow::Result<Self> {
        let mut names =
            bytes.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
        let first = std::str::from_utf8(names.next().unwrap_or_default())
            .context("the name is not UTF-8")?;
        let inside = names.map(<[u8]>::to_vec).collect();
        if let Ok(hash) = HashPart::parse(first) {
            return Ok(Self { hash, base: None, inside });
        }
        let base = StorePath::parse(first)?;
        Ok(Self { hash: base.hash_part(), base: Some(base), inside })
    }

    /// Returns true if it names a file inside of a store path.
    pub(in crate::commands) const fn is_inside(&self) -> bool {
        !self.inside.is_empty()
    }

    /// The path inside, for messages.
    pub(super) fn inside_text(&self) -> String {
        let names: Vec<_> = self.inside.iter().map(|name| String::from_utf8_lossy(name)).collect();
        names.join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "6jq25iv0b90n2gjbns74ps6pjrmfx0n3-top.txt";

    fn parse(text: &str) -> anyhow::Result<PathInStore> {
        PathInStore::parse(Path::new(text), &StoreDir::default())
    }

    #[test]
    fn every_way_to_name_a_path_means_the_same() {
        let whole = parse(&format!("/nix/store/{BASE}")).unwrap();
        assert_eq!(whole.base.as_ref().unwrap().as_str(), BASE);
        assert_eq!(parse(BASE).unwrap(), whole);
        assert_eq!(parse(&format!("/nix/store/{BASE}/")).unwrap(), whole);
        let hash = parse(BASE.split_once('-').unwrap().0).unwrap();
        assert_eq!((hash.hash, hash.base), (whole.hash, None));
        let inside = parse(&format!("/nix/store/{BASE}/bin//./hello")).unwrap();
        assert_eq!(inside.inside, [b"bin".to_vec(), b"hello".to_vec()]);
        assert_eq!(inside.inside_text(), "bin/hello");
    }

    #[test]
    fn other_things_are_refused() {
        for text in
            ["", "/etc/passwd", "/nix/store", "/nix/store/", "/nix/store/.links", "hello", "../x"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_link_into_the_store_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let store = fs::canonicalize(directory.path()).unwrap().join("store");
        fs::create_dir_all(store.join(BASE)).unwrap();
        let result = directory.path().join("result");
        std::os::unix::fs::symlink(store.join(BASE), &result).unwrap();
        let store_dir = StoreDir::parse(store.to_str().unwrap()).unwrap();
        assert_eq!(PathInStore::parse(&result, &store_dir).unwrap().base.unwrap().as_str(), BASE);
    }
}

//! Names of groups of roots and of caches, as folders.

use std::{
    fmt::{self, Write as _},
    path::{Path, PathBuf},
};

use rns_formats::Sha256Digest;

/// The longest name of a folder, in bytes: file systems take 255.
const MAX_SEGMENT_BYTES: usize = 200;

/// The folder of the paths that were pushed.
const PUSHED: &str = "pushed";

/// The folder of the paths that pushers were told of.
const PROMISED: &str = "promised";

/// The folders of all groups.
pub(super) const KEPT_FOLDERS: [&str; 2] = [PUSHED, PROMISED];

/// The folder in which named caches have theirs.
pub const CACHES_FOLDER: &str = "cache";

/// The folder of a cache, relative to that of all roots. The cache without a name has the folder itself.
#[must_use]
pub fn cache_folder(name: Option<&str>) -> PathBuf {
    name.map_or_else(PathBuf::new, |name| Path::new(CACHES_FOLDER).join(encoded(name)))
}

/// A group of roots, such as all that one pusher has pushed: a folder below that of all roots.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RootGroup(PathBuf);

impl RootGroup {
    /// The group with this name, segment by segment. Any text may be a segment: characters that a file name cannot have are written
    /// as in a form of the web: `+` for a space, else `%` and two hexadecimal digits.
    fn new(segments: &[&str]) -> Self {
        Self(segments.iter().map(|segment| encoded(segment)).collect())
    }

    /// The paths that a pusher with this name has pushed.
    #[must_use]
    pub fn pushed_by(pusher: &str) -> Self {
        Self::new(&[PUSHED, pusher])
    }

    /// The paths that pushers were told are there, so that they did not push them.
    #[must_use]
    pub fn promised() -> Self {
        Self::new(&[PROMISED])
    }

    pub(super) const fn from_folder(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The folder, relative to that of all roots.
    pub(super) fn folder(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for RootGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

fn encoded(segment: &str) -> String {
    let mut name = String::new();
    for (at, byte) in segment.bytes().enumerate() {
        let is_plain =
            byte.is_ascii_alphanumeric() || b"-_=@".contains(&byte) || (byte == b'.' && at > 0);
        if is_plain {
            name.push(byte.into());
        } else if byte == b' ' {
            name.push('+');
        } else {
            _ = write!(name, "%{byte:02X}");
        }
    }
    if name.is_empty() || name.len() > MAX_SEGMENT_BYTES {
        let digest = Sha256Digest::of(segment.as_bytes()).to_nix32();
        name.truncate(MAX_SEGMENT_BYTES - digest.len() - 1);
        _ = write!(name, "%{digest}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_its_folder_or_is_that_of_another() {
        let names = [
            "ci",
            "token ci",
            "token+ci",
            "repo:a/b:ref",
            "..",
            ".",
            "",
            ".hidden",
            "%2E",
            "a/b",
            "a%2Fb",
            "ä",
        ];
        let groups: std::collections::BTreeSet<_> = names.map(RootGroup::pushed_by).into();
        assert_eq!(groups.len(), names.len());
        for group in &groups {
            assert_eq!(group.folder().components().count(), 2, "{group}");
            assert!(group.folder().starts_with("pushed"), "{group}");
        }
        assert_eq!(RootGroup::pushed_by("token ci").to_string(), "pushed/token+ci");
        assert_eq!(cache_folder(Some("../x")), Path::new("cache/%2E.%2Fx"));
        assert_eq!(cache_folder(None), Path::new(""));
    }

    #[test]
    fn long_names_fit_and_stay_apart() {
        let (one, two) = ("x".repeat(5000), format!("{}y", "x".repeat(4999)));
        let (one, two) = (RootGroup::pushed_by(&one), RootGroup::pushed_by(&two));
        assert_ne!(one, two);
        assert!(one.folder().file_name().unwrap().len() <= MAX_SEGMENT_BYTES);
    }
}

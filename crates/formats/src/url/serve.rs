//! Paths to files inside a store path.

use super::decode::Segments;

/// Longest name that a file can have on any file system a store lies on, in bytes.
const NAME_MAX: usize = 255;

/// A relative path below a store path, as a URL spells it: without empty, `.` or `..` components,
/// and without NUL. The names are bytes, not necessarily UTF-8.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ServePath {
    /// The components with a slash between each two.
    path: Box<[u8]>,
    trailing_slash: bool,
}

impl ServePath {
    pub(super) fn parse(segments: Segments<'_>) -> Option<Self> {
        let trailing_slash = segments.trailing_slash();
        let mut path = Vec::new();
        for segment in segments {
            let name = segment.filter(|name| name.len() <= NAME_MAX)?;
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(&name);
        }
        Some(Self { path: path.into_boxed_slice(), trailing_slash })
    }

    /// The names on the way down; none when the store path itself is meant.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.path.split(|&byte| byte == b'/').filter(|name| !name.is_empty())
    }

    /// The path with single slashes between its components, and neither before nor after them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.path
    }

    /// Whether the store path itself is meant.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.path.is_empty()
    }

    /// Whether the URL ends with a slash, as it should for a directory.
    #[must_use]
    pub const fn trailing_slash(&self) -> bool {
        self.trailing_slash
    }
}

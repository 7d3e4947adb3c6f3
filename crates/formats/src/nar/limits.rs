//! Limits of the trees that archives hold.

/// Bounds on the shape of a tree.
///
/// The defaults are those that Nix enforces since the releases of May 2026 (2.28.7, 2.29.4, 2.30.5, 2.31.5,
/// 2.32.8, 2.33.6, 2.34.7, 2.35), both when it dumps and when it unpacks. Older releases had no
/// bounds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NarLimits {
    /// Levels of nodes: the root is at depth 0, and a node whose depth is this number is refused.
    pub depth: usize,
    /// Longest name of a directory entry, in bytes.
    pub name: usize,
    /// Longest target of a symbolic link, in bytes.
    pub target: usize,
}

impl NarLimits {
    /// Says whether a directory entry may be called `name`.
    ///
    /// # Errors
    ///
    /// [`TreeError::Name`] for an empty name, `.`, `..` or one with `/` or NUL;
    /// [`TreeError::NameTooLong`].
    pub fn check_name(&self, name: &[u8]) -> Result<(), TreeError> {
        if name.len() > self.name {
            return Err(TreeError::NameTooLong { len: name.len() as u64, limit: self.name });
        }
        if matches!(name, b"" | b"." | b"..") || name.iter().any(|byte| matches!(byte, b'/' | 0)) {
            return Err(TreeError::Name { name: name.into() });
        }
        Ok(())
    }

    /// Says whether a symbolic link may point at `target`.
    ///
    /// # Errors
    ///
    /// [`TreeError::TargetEmpty`], [`TreeError::TargetNul`] or [`TreeError::TargetTooLong`].
    pub fn check_target(&self, target: &[u8]) -> Result<(), TreeError> {
        if target.is_empty() {
            return Err(TreeError::TargetEmpty);
        }
        if target.len() > self.target {
            return Err(TreeError::TargetTooLong { len: target.len() as u64, limit: self.target });
        }
        if target.contains(&0) {
            return Err(TreeError::TargetNul);
        }
        Ok(())
    }
}

impl Default for NarLimits {
    fn default() -> Self {
        Self { depth: 64, name: 255, target: 4095 }
    }
}

/// A tree that no archive may describe, or one that was described in the wrong order.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// An entry's name is empty, `.`, `..`, or holds `/` or NUL.
    #[error("an entry of an archive must not be called \"{}\"", .name.escape_ascii())]
    Name {
        /// The name as it was given.
        name: Box<[u8]>,
    },
    /// An entry's name is longer than [`NarLimits::name`].
    #[error("a name of {len} bytes is longer than the limit of {limit}")]
    NameTooLong {
        /// Length in bytes.
        len: u64,
        /// Limit in bytes.
        limit: usize,
    },
    /// Two entries of one directory have the same name.
    #[error("the entry \"{}\" is there twice", .name.escape_ascii())]
    Duplicate {
        /// The name in question.
        name: Box<[u8]>,
    },
    /// An entry comes after one that sorts behind it (bytewise).
    #[error("the entry \"{}\" must come before \"{}\"", .name.escape_ascii(), .previous.escape_ascii())]
    Unsorted {
        /// The entry that came first.
        previous: Box<[u8]>,
        /// The entry that came too late.
        name: Box<[u8]>,
    },
    /// A node lies deeper than [`NarLimits::depth`] allows.
    #[error("the tree is deeper than the limit of {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A symbolic link has an empty target.
    #[error("a symbolic link has an empty target")]
    TargetEmpty,
    /// The target of a symbolic link holds a NUL byte.
    #[error("the target of a symbolic link holds a NUL byte")]
    TargetNul,
    /// The target of a symbolic link is longer than [`NarLimits::target`].
    #[error("a symbolic link's target of {len} bytes is longer than the limit of {limit}")]
    TargetTooLong {
        /// Length in bytes.
        len: u64,
        /// Limit in bytes.
        limit: usize,
    },
    /// The caller described the tree in an impossible order, for example a node without an entry
    /// around it.
    #[error("{what} cannot come at this place of an archive")]
    Misplaced {
        /// The misplaced part.
        what: &'static str,
    },
    /// The description ended before the tree was complete.
    #[error("the description of the tree is not complete")]
    Incomplete,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_their_directory_are_refused() {
        let limits = NarLimits::default();
        for name in [&b""[..], b".", b"..", b"a/b", b"/", b"a\0b", b"\0"] {
            assert!(matches!(limits.check_name(name), Err(TreeError::Name { .. })), "{name:?}");
        }
        for name in [&b"..."[..], b".a", b"a b", b"\xff\xfe", b"-", b"\n"] {
            assert_eq!(limits.check_name(name), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn lengths_are_bounded_exactly() {
        let limits = NarLimits::default();
        assert_eq!(limits.check_name(&[b'n'; 255]), Ok(()));
        assert_eq!(
            limits.check_name(&[b'n'; 256]),
            Err(TreeError::NameTooLong { len: 256, limit: 255 })
        );
        assert_eq!(limits.check_target(&[b't'; 4095]), Ok(()));
        assert_eq!(
            limits.check_target(&[b't'; 4096]),
            Err(TreeError::TargetTooLong { len: 4096, limit: 4095 })
        );
        assert_eq!(limits.check_target(b""), Err(TreeError::TargetEmpty));
        assert_eq!(limits.check_target(b"a\0"), Err(TreeError::TargetNul));
    }
}

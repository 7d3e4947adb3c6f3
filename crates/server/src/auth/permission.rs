//! Permissions of clients.

use std::fmt;

/// One thing that a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Download the paths that the cache shows.
    Read,
    /// Upload.
    Push,
    /// Set, show and delete roots, which keep paths.
    Pin,
    /// Delete paths.
    Delete,
    /// Read the metrics.
    Metrics,
}

impl Permission {
    /// Every one of them.
    pub const ALL: [Self; 5] = [Self::Read, Self::Push, Self::Pin, Self::Delete, Self::Metrics];

    /// Its name in the configuration and in files of tokens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Push => "push",
            Self::Pin => "pin",
            Self::Delete => "delete",
            Self::Metrics => "metrics",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A word that names no permission.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no permission; there are read, push, pin, delete and metrics")]
pub struct UnknownPermission(String);

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(u8);

impl Permissions {
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// Reads names of permissions, such as the items of a list in the configuration.
    ///
    /// # Errors
    /// The first word that is no permission.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownPermission> {
        words.into_iter().try_fold(Self::NONE, |all, word| {
            let found = Permission::ALL.into_iter().find(|permission| permission.name() == word);
            found
                .map(|permission| all | permission.into())
                .ok_or_else(|| UnknownPermission(word.to_owned()))
        })
    }

    /// Whether this is among them.
    #[must_use]
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl From<Permission> for Permissions {
    fn from(permission: Permission) -> Self {
        Self(permission.bit())
    }
}

impl std::ops::BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The names with commas between them, as [`Permissions::parse`] takes them apart.
impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for permission in Permission::ALL.into_iter().filter(|one| self.has(*one)) {
            write!(f, "{separator}{}", permission.name())?;
            separator = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        let some = Permissions::parse(["push", "read"]).unwrap();
        assert!(some.has(Permission::Read) && some.has(Permission::Push));
        assert!(!some.has(Permission::Delete) && !some.has(Permission::Metrics));
        assert_eq!(some.to_string(), "read,push");
        assert_eq!(Permissions::parse([]).unwrap(), Permissions::NONE);
        let error = Permissions::parse(["read", "wirte"]).unwrap_err();
        assert!(error.to_string().contains("`wirte`"), "{error}");
    }
}

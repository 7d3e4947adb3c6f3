//! Identities of clients, by their credentials.

use std::{borrow::Cow, sync::Arc};

use rns_cache::Pattern;

use super::{Permission, Permissions};

/// A client that a cache knows.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    /// Who it is, for the log and for limits: `token ci`.
    pub(crate) name: Arc<str>,
    pub(crate) allow: Permissions,
    /// Only paths with such names, and their references. Empty: everything that the cache shows.
    pub(crate) paths: Arc<[Pattern]>,
}

/// The name of a principal among all caches: names are given by each cache for itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PrincipalId {
    /// The cache; the default one has no name.
    pub(crate) cache: Option<Arc<str>>,
    /// The name of the principal there.
    pub(crate) name: Arc<str>,
}

/// The identity by a credential.
#[derive(Debug)]
pub(crate) enum Identity {
    /// There is none.
    Anonymous,
    /// It is good.
    Known(Principal),
    /// It is not; why, for the operator, without the credential.
    Wrong(Cow<'static, str>),
    /// It was, until some time ago; why it is not, for the operator.
    Expired(Cow<'static, str>),
    /// It cannot be told.
    Undetermined(Undetermined),
}

/// Why a credential cannot be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undetermined {
    /// The file of tokens cannot be used, or the issuer of a token not be asked.
    Outage,
    /// The issuer was asked a moment ago, and will be again in some seconds.
    Soon,
}

impl Identity {
    /// Of two credentials of one request, the one that counts: a good one with the needed permission, if there is one, and
    /// rather one for all paths.
    pub(super) fn or(self, other: Self, needed: Permission) -> Self {
        let worth = |identity: &Self| match identity {
            Self::Anonymous => 0,
            Self::Wrong(_) | Self::Expired(_) => 1,
            Self::Known(holder) if !holder.allow.has(needed) => 2,
            // It may suffice.
            Self::Undetermined(_) => 3,
            Self::Known(holder) => 4 + u8::from(holder.paths.is_empty()),
        };
        if worth(&self) >= worth(&other) { self } else { other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str, allow: Permission) -> Identity {
        Identity::Known(Principal { name: name.into(), allow: allow.into(), paths: Arc::default() })
    }

    #[test]
    fn of_a_token_and_a_certificate_the_one_that_suffices_counts() {
        let name = |identity| match identity {
            Identity::Known(holder) => holder.name.to_string(),
            Identity::Wrong(why) | Identity::Expired(why) => why.into_owned(),
            Identity::Undetermined(_) => "unknowable".to_owned(),
            Identity::Anonymous => "nobody".to_owned(),
        };
        let read = Permission::Read;
        let certificate = || known("certificate", read);
        assert_eq!(name(known("token", read).or(certificate(), read)), "token");
        assert_eq!(name(known("token", Permission::Push).or(certificate(), read)), "certificate");
        assert_eq!(name(Identity::Wrong("wrong".into()).or(certificate(), read)), "certificate");
        assert_eq!(name(Identity::Anonymous.or(Identity::Wrong("wrong".into()), read)), "wrong");
        assert_eq!(name(Identity::Anonymous.or(Identity::Anonymous, read)), "nobody");
        let undetermined = || Identity::Undetermined(Undetermined::Outage);
        assert_eq!(name(undetermined().or(known("x", Permission::Push), read)), "unknowable");
        assert_eq!(name(undetermined().or(certificate(), read)), "certificate");
        let mut some = Principal { name: "some".into(), allow: read.into(), paths: Arc::default() };
        some.paths = Arc::new([Pattern::parse("hello-*").unwrap()]);
        assert_eq!(name(Identity::Known(some.clone()).or(Identity::Anonymous, read)), "some");
        assert_eq!(name(Identity::Known(some).or(certificate(), read)), "certificate");
    }
}

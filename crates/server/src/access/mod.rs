//! Who may do what.
//!
//! [`needed`] says what a request needs, [`Credential`] what the client shows, and [`Access`] of each cache what that is
//! worth there. All of it comes before any lookup, so that somebody who may not read learns nothing from the answer, nor
//! from how long it takes.

mod credential;
mod door;
mod needed;
mod permission;
pub(crate) mod refused;
mod subject;

use std::sync::Arc;

use actix_web::HttpRequest;

pub(crate) use self::{credential::Credential, door::Door, needed::needed};
pub use self::{
    permission::{Permission, Permissions, UnknownPermission},
    subject::{Subject, SubjectError},
};
use crate::{answer::Answer, config::AccessConfig, state::State, views::View};

/// Who may do what in one cache.
pub(crate) struct Access {
    anonymous: Permissions,
}

/// Somebody whom a cache knows.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    /// Who it is, for the log and for limits: `token ci`.
    pub(crate) name: Arc<str>,
    pub(crate) allow: Permissions,
}

/// What the credential of a request is worth.
pub(crate) enum Standing {
    /// There is none.
    Nobody,
    /// It is good.
    Known(Holder),
    /// It is not; why, for the operator, without the credential.
    Wrong(&'static str),
}

/// What a client was allowed to do.
pub(crate) struct Grant {
    /// The cache that it sees.
    pub(crate) view: Arc<View>,
    /// Whether the answer is for this client alone: proxies must not keep it for others.
    pub(crate) private: bool,
    /// Who it is, where that is known.
    pub(crate) holder: Option<Arc<str>>,
}

impl Access {
    pub(crate) fn new(config: &AccessConfig) -> Self {
        Self { anonymous: config.anonymous }
    }

    /// What keeps clients from being known, for the operator; empty when all is well.
    pub(crate) fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    /// Reads the file of tokens again.
    ///
    /// # Errors
    /// What is wrong with it; the tokens stay as they were.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "there are no tokens yet")]
    pub(crate) fn reload_tokens(&self) -> Result<(), String> {
        Ok(())
    }

    /// What the credential of a request is worth here.
    async fn standing(&self, credential: &Credential) -> Standing {
        match credential {
            Credential::None => Standing::Nobody,
            Credential::Secret(_) => Standing::Wrong("unknown token"),
            Credential::Unreadable => Standing::Wrong("unreadable credential"),
        }
    }
}

/// What keeps a configuration from telling clients apart, for the operator.
pub(crate) fn problems(_config: &AccessConfig) -> Vec<String> {
    Vec::new()
}

/// Whether a request may have what it asks for.
///
/// # Errors
/// The answer that it gets instead.
pub(crate) async fn authorise(
    request: &HttpRequest,
    state: &State,
    view: &Arc<View>,
    needed: Permission,
) -> Result<Grant, Answer> {
    let access = &view.access;
    let open = access.anonymous.has(needed);
    let credential = Credential::of(request.headers());
    let granted = |private, holder| Ok(Grant { view: Arc::clone(view), private, holder });
    if open && credential == Credential::None {
        return granted(false, None);
    }
    match access.standing(&credential).await {
        Standing::Known(holder) if open || holder.allow.has(needed) => {
            granted(!open, Some(holder.name))
        }
        Standing::Known(_) => Err(refused::forbidden()),
        Standing::Nobody if open => granted(false, None),
        Standing::Nobody => Err(refused::unauthorised(view)),
        // What everybody may have is not withheld from somebody with an old token.
        Standing::Wrong(why) => {
            state.door.failed(request, view, why);
            if open {
                return granted(false, None);
            }
            state.door.delay().await;
            Err(refused::unauthorised(view))
        }
    }
}

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
pub mod tokens;

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use actix_web::HttpRequest;
use arc_swap::ArcSwap;

pub(crate) use self::{credential::Credential, door::Door, needed::needed};
pub use self::{
    permission::{Permission, Permissions, UnknownPermission},
    subject::{Subject, SubjectError},
};
use self::{
    refused::Refusal,
    tokens::{Pattern, Tokens},
};

use crate::{config::AccessConfig, state::State, views::View};

/// Who may do what in one cache.
pub(crate) struct Access {
    anonymous: Permissions,
    file: Option<PathBuf>,
    /// The tokens of the file, or why there are none: then nobody is let in by a token.
    tokens: ArcSwap<Result<Tokens, String>>,
}

/// Somebody whom a cache knows.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    /// Who it is, for the log and for limits: `token ci`.
    pub(crate) name: Arc<str>,
    pub(crate) allow: Permissions,
    /// Only paths with such names, and what they refer to. Empty: whatever the cache shows.
    pub(crate) paths: Arc<[Pattern]>,
}

/// What the credential of a request is worth.
pub(crate) enum Standing {
    /// There is none.
    Nobody,
    /// It is good.
    Known(Holder),
    /// It is not; why, for the operator, without the credential.
    Wrong(Cow<'static, str>),
    /// Nobody can tell, since the file of tokens cannot be used.
    Unknowable,
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
    /// Reads the file of tokens. One that cannot be used is a problem, not an error.
    pub(crate) fn new(config: &AccessConfig) -> Self {
        let tokens = load(config.tokens.as_deref());
        Self {
            anonymous: config.anonymous,
            file: config.tokens.clone(),
            tokens: ArcSwap::from_pointee(tokens),
        }
    }

    /// What keeps clients from being known, for the operator; empty when all is well.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.tokens.load().as_ref().as_ref().err().cloned().into_iter().collect()
    }

    /// Does something with the tokens, if there are any.
    pub(crate) fn with_tokens(&self, use_them: impl FnOnce(&Tokens)) {
        if let Ok(tokens) = &**self.tokens.load() {
            use_them(tokens);
        }
    }

    /// Reads the file of tokens again, and lets them in after they were prepared for. Returns how many there are.
    ///
    /// # Errors
    /// What is wrong with it; the tokens stay as they were.
    pub(crate) fn reload_tokens(&self, prepare: impl FnOnce(&Tokens)) -> Result<usize, String> {
        let tokens = load(self.file.as_deref())?;
        prepare(&tokens);
        let number = tokens.len();
        self.tokens.store(Arc::new(Ok(tokens)));
        Ok(number)
    }

    /// What the credential of a request is worth here.
    async fn standing(&self, credential: &Credential) -> Standing {
        match credential {
            Credential::None => Standing::Nobody,
            Credential::Secret(secret) => self.token(secret.bytes()),
            Credential::Unreadable => Standing::Wrong("unreadable credential".into()),
        }
    }

    fn token(&self, secret: &[u8]) -> Standing {
        let Ok(tokens) = &**self.tokens.load() else { return Standing::Unknowable };
        match tokens.find(secret, SystemTime::now()) {
            Ok(known) => Standing::Known(known.holder.clone()),
            Err(error) => Standing::Wrong(error.to_string().into()),
        }
    }
}

/// The tokens of a file; without a file there are none.
fn load(file: Option<&Path>) -> Result<Tokens, String> {
    file.map_or_else(
        || Ok(Tokens::default()),
        |file| Tokens::load(file).map_err(|error| error.to_string()),
    )
}

/// What keeps a configuration from telling clients apart, for the operator.
#[must_use]
pub fn problems(config: &AccessConfig) -> Vec<String> {
    load(config.tokens.as_deref()).err().into_iter().collect()
}

/// Whether a request may have what it asks for.
///
/// # Errors
/// Why not. The answer to that may take long, and nothing that others wait for shall be held meanwhile.
pub(crate) async fn authorise(
    request: &HttpRequest,
    state: &State,
    view: &Arc<View>,
    needed: Permission,
) -> Result<Grant, Refusal> {
    let access = &view.access;
    let open = access.anonymous.has(needed);
    let credential = Credential::of(request.headers());
    let granted = |private, holder| Ok(Grant { view: Arc::clone(view), private, holder });
    if open && credential == Credential::None {
        return granted(false, None);
    }
    match access.standing(&credential).await {
        // What everybody may have is not withheld from somebody whose token is old, or for other things.
        Standing::Known(holder) if open => granted(false, Some(holder.name)),
        Standing::Nobody | Standing::Unknowable if open => granted(false, None),
        Standing::Wrong(why) => {
            state.door.failed(request, view, &why);
            if open { granted(false, None) } else { Err(Refusal::Wrong) }
        }
        Standing::Nobody => Err(Refusal::Nobody),
        Standing::Unknowable => Err(Refusal::Unknowable),
        Standing::Known(holder) if !holder.allow.has(needed) => {
            state.door.forbidden(request, view, &holder, needed);
            Err(Refusal::Forbidden)
        }
        Standing::Known(holder) if holder.paths.is_empty() => granted(true, Some(holder.name)),
        Standing::Known(holder) => {
            let view = view.restricted_to(&holder.paths).ok_or(Refusal::Unknowable)?;
            Ok(Grant { view, private: true, holder: Some(holder.name) })
        }
    }
}

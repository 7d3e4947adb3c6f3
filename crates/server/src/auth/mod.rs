//! Who may do what.
//!
//! [`needed`] says what a request needs, [`Credential`] what the client shows, and [`Access`] of each cache what that is
//! worth there. All of it comes before any lookup, so that somebody who may not read learns nothing from the answer, nor
//! from how long it takes.

mod client_certificate;
pub(crate) mod config;
mod connection_certificate;
mod credential;
pub(crate) mod denied;
mod failure_policy;
mod forwarded;
mod identity;
mod log_budget;
mod oidc;
mod permission;
mod required_permission;
mod subject;
pub mod tokens;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use actix_web::{
    HttpRequest,
    http::header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use arc_swap::ArcSwap;

use self::{
    client_certificate::ClientCertificate,
    denied::Denied,
    oidc::Oidc,
    tokens::{TokenFileError, Tokens},
};
pub(crate) use self::{
    connection_certificate::ConnectionCertificate,
    credential::Credential,
    failure_policy::FailurePolicy,
    identity::{Identity, Principal},
    required_permission::needed,
};
pub use self::{
    permission::{Permission, Permissions, UnknownPermission},
    subject::{Subject, SubjectError},
};
use crate::{
    caches::registry::Cache,
    config::{AccessConfig, SubjectRule},
    connection::limits::PrincipalId,
    life_cycle::state::State,
};

/// Who may do what in one cache.
pub(crate) struct Access {
    anonymous: Permissions,
    file: Option<PathBuf>,
    /// The tokens of the file, or why there are none: then nobody is let in by a token.
    tokens: ArcSwap<Result<Tokens, TokenFileError>>,
    /// Whether the file could not be used when it was last read.
    is_refused: AtomicBool,
    subjects: Vec<SubjectRule>,
    oidc: Oidc,
}

/// What a client was allowed to do.
pub(crate) struct Grant {
    /// The cache that it sees.
    pub(crate) view: Arc<Cache>,
    /// Whether the answer is for this client alone: proxies must not keep it for others.
    pub(crate) private: bool,
    /// Who it is, where that is known.
    pub(crate) holder: Option<PrincipalId>,
}

impl Access {
    /// Reads the file of tokens. One that cannot be used is a problem, not an error.
    pub(crate) fn new(config: &AccessConfig) -> Self {
        let tokens = load(config.tokens.as_deref());
        Self {
            anonymous: config.anonymous,
            file: config.tokens.clone(),
            is_refused: tokens.is_err().into(),
            tokens: ArcSwap::from_pointee(tokens),
            subjects: config.subjects.clone(),
            oidc: Oidc::new(&config.oidc),
        }
    }

    /// Whether any credential is worth something here.
    fn knows_credentials(&self) -> bool {
        self.file.is_some() || !self.subjects.is_empty() || self.oidc.is_any()
    }

    /// What keeps clients from being known, for the operator; empty when all is well.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.tokens.load().as_ref().as_ref().err().map(ToString::to_string).into_iter().collect()
    }

    /// Whether the file of tokens could not be used when it was last read: older tokens are in use, or none.
    pub(crate) fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed)
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
    pub(crate) fn reload_tokens(
        &self,
        prepare: impl FnOnce(&Tokens),
    ) -> Result<usize, TokenFileError> {
        let tokens = load(self.file.as_deref());
        self.is_refused.store(tokens.is_err(), Ordering::Relaxed);
        let tokens = tokens?;
        prepare(&tokens);
        let number = tokens.len();
        self.tokens.store(Arc::new(Ok(tokens)));
        Ok(number)
    }

    /// What the certificate of a client is worth here. One that no rule is about is good, and allows nothing.
    fn certificate_identity(&self, certificate: &ClientCertificate) -> Identity {
        match certificate {
            ClientCertificate::None => Identity::Nobody,
            ClientCertificate::Wrong(why) => Identity::Wrong((*why).into()),
            ClientCertificate::Of(owner) => {
                let rules = self.subjects.iter();
                let rules = rules.filter(|rule| owner.subject.matches(&rule.subject));
                let allow = rules.fold(Permissions::NONE, |all, rule| all | rule.allow);
                let paths = Arc::default();
                Identity::Known(Principal { name: Arc::clone(&owner.name), allow, paths })
            }
        }
    }

    /// What the credential of a request is worth here.
    async fn identity(&self, credential: &Credential, headers: &HeaderMap) -> Identity {
        match credential {
            Credential::None => Identity::Nobody,
            Credential::Secret(secret) => match self.oidc.identity(secret.bytes()).await {
                Some(identity) => identity,
                None => self.token(secret.bytes(), headers.get(AUTHORIZATION)),
            },
            Credential::Unreadable => Identity::Wrong("unreadable credential".into()),
        }
    }

    fn token(&self, secret: &[u8], header: Option<&HeaderValue>) -> Identity {
        let Ok(tokens) = &**self.tokens.load() else { return Identity::Undetermined };
        let header = header.map(HeaderValue::as_bytes).unwrap_or_default();
        match tokens.verify(secret, header, SystemTime::now()) {
            Ok(known) => Identity::Known(known.holder.clone()),
            Err(error) => Identity::Wrong(error.to_string().into()),
        }
    }
}

/// The tokens of a file; without a file there are none.
fn load(file: Option<&Path>) -> Result<Tokens, TokenFileError> {
    file.map_or_else(|| Ok(Tokens::default()), Tokens::load)
}

/// What keeps a configuration from telling clients apart, for the operator.
#[must_use]
pub fn problems(config: &AccessConfig) -> Vec<String> {
    let issuers = issuer_problems(config).into_iter();
    let issuers = issuers.map(|(name, problem)| format!("access.oidc.{name}: {problem}"));
    token_problems(config).into_iter().chain(issuers).collect()
}

/// What is wrong with the file of tokens, for the operator.
#[must_use]
pub fn token_problems(config: &AccessConfig) -> Option<String> {
    load(config.tokens.as_deref()).err().map(|error| error.to_string())
}

/// What is wrong with the issuers of tokens, each with its name in the configuration.
#[must_use]
pub fn issuer_problems(config: &AccessConfig) -> Vec<(String, String)> {
    oidc::problems(&config.oidc)
}

/// Whether a request may have what it asks for.
///
/// # Errors
/// Why not. The answer to that may take long, and nothing that others wait for shall be held meanwhile.
pub(crate) async fn authorise(
    request: &HttpRequest,
    state: &State,
    view: &Arc<Cache>,
    needed: Permission,
) -> Result<Grant, Denied> {
    let access = &view.access;
    let open = access.anonymous.has(needed);
    let credential = Credential::of(request.headers());
    let certificate = ClientCertificate::of(request);
    let id_of = |holder: Principal| PrincipalId { cache: view.name.clone(), name: holder.name };
    let granted = |private, holder: Option<Principal>| {
        Ok(Grant { view: Arc::clone(view), private, holder: holder.map(id_of) })
    };
    if open && credential == Credential::None && certificate == ClientCertificate::None {
        return granted(false, None);
    }
    let by_token = access.identity(&credential, request.headers()).await;
    match by_token.or(access.certificate_identity(&certificate), needed) {
        // What everybody may have is not withheld from somebody whose token is old, or for other things.
        Identity::Known(holder) if open => granted(false, Some(holder)),
        Identity::Nobody | Identity::Undetermined if open => granted(false, None),
        // It may be meant for a proxy on the way: here nobody has one, and nobody needs one.
        Identity::Wrong(_) if open && !access.knows_credentials() => granted(false, None),
        Identity::Wrong(why) => {
            state.failure_policy.failed(request, view, &why);
            if open { granted(false, None) } else { Err(Denied::Wrong) }
        }
        Identity::Nobody => Err(Denied::Nobody),
        Identity::Undetermined => Err(Denied::Undetermined),
        Identity::Known(holder) if !holder.allow.has(needed) => {
            state.failure_policy.forbidden(request, view, &holder, needed);
            Err(Denied::Forbidden)
        }
        Identity::Known(holder) if holder.paths.is_empty() => granted(true, Some(holder)),
        Identity::Known(holder) => {
            let view = view.scoped_to(&holder.paths).ok_or(Denied::Undetermined)?;
            Ok(Grant { view, private: true, holder: Some(id_of(holder)) })
        }
    }
}

/// Whether a client may read a cache, where that is known without waiting: everybody may, or the client shows a header
/// `Authorization` that was verified before. It shows no certificate.
pub(crate) fn known_reader(view: &Arc<Cache>, authorization: Option<&[u8]>) -> Option<Grant> {
    let (access, read) = (&view.access, Permission::Read);
    let open = access.anonymous.has(read);
    let Some(header) = authorization else {
        return open.then(|| Grant { view: Arc::clone(view), private: false, holder: None });
    };
    let tokens = access.tokens.load();
    let holder = &tokens.as_ref().as_ref().ok()?.verified(header, SystemTime::now())?.holder;
    let id = PrincipalId { cache: view.name.clone(), name: Arc::clone(&holder.name) };
    let view = match () {
        () if open => Arc::clone(view),
        () if !holder.allow.has(read) => return None,
        () if holder.paths.is_empty() => Arc::clone(view),
        () => view.scoped_to(&holder.paths)?,
    };
    Some(Grant { view, private: !open, holder: Some(id) })
}

#[cfg(test)]
mod tests {
    use super::{client_certificate::Owner, *};

    #[test]
    fn all_rules_about_a_subject_count() {
        let rule = |subject, allow: Permission| SubjectRule {
            subject: Subject::parse(subject).unwrap(),
            allow: allow.into(),
        };
        let subjects = vec![rule("O=Example", Permission::Read), rule("CN=ci", Permission::Push)];
        let access = Access::new(&AccessConfig { subjects, ..AccessConfig::default() });
        let allowed = |subject| {
            let owner = Owner::new(Subject::of_text(subject).unwrap());
            let certificate = ClientCertificate::Of(Arc::new(owner));
            match access.certificate_identity(&certificate) {
                Identity::Known(holder) => holder.allow,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            allowed("CN=ci,O=Example"),
            Permissions::from(Permission::Read) | Permission::Push.into()
        );
        assert_eq!(allowed("CN=x,O=Example"), Permission::Read.into());
        assert!(allowed("CN=x").is_empty());
    }
}

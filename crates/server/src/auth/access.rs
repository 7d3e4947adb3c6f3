//! The rules of access to one cache: its tokens, certificates and issuers.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use arc_swap::ArcSwap;

use super::{
    Credential, Identity, Permissions, Principal, PrincipalId, Undetermined,
    certificate::ClientCertificate,
    oidc::{self, Oidc},
    tokens::{TokenFileError, Tokens, WrongToken},
};
use crate::config::{AccessConfig, SubjectRule};

/// The rules of access to one cache.
pub(crate) struct Access {
    /// The name of the cache; the default one has none.
    cache: Option<Arc<str>>,
    anonymous: Permissions,
    file: Option<PathBuf>,
    /// The tokens of the file, or why there are none: then no token is accepted.
    tokens: ArcSwap<Result<Tokens, TokenFileError>>,
    /// Whether the file could not be used when it was last read.
    is_refused: AtomicBool,
    subjects: Vec<SubjectRule>,
    oidc: Oidc,
}

impl Access {
    /// Reads the file of tokens. One that cannot be used is a problem, not an error.
    pub(crate) fn new(cache: Option<Arc<str>>, config: &AccessConfig) -> Self {
        let tokens = load(config.tokens.as_deref());
        Self {
            cache,
            anonymous: config.anonymous,
            file: config.tokens.clone(),
            is_refused: tokens.is_err().into(),
            tokens: ArcSwap::from_pointee(tokens),
            subjects: config.subjects.clone(),
            oidc: Oidc::new(&config.oidc),
        }
    }

    /// The begin of a line of the log that is about this cache.
    pub(crate) fn label(&self) -> String {
        self.cache.as_deref().map(|name| format!("cache {name}: ")).unwrap_or_default()
    }

    /// Who shows a credential, by the name that limits are kept under.
    pub(super) fn principal_id(&self, principal: &Principal) -> PrincipalId {
        PrincipalId { cache: self.cache.clone(), name: Arc::clone(&principal.name) }
    }

    /// The permissions of every client.
    pub(super) const fn anonymous(&self) -> Permissions {
        self.anonymous
    }

    /// Whether any credential is worth something here.
    pub(super) fn knows_credentials(&self) -> bool {
        self.file.is_some() || !self.subjects.is_empty() || self.oidc.is_any()
    }

    /// Problems of tokens, for the operator; empty when there is none.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.tokens.load().as_ref().as_ref().err().map(ToString::to_string).into_iter().collect()
    }

    /// Whether the file of tokens could not be used when it was last read: older tokens are in use, or none.
    pub(crate) fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed)
    }

    /// Whether every credential can be checked now.
    pub(crate) fn can_check(&self) -> bool {
        self.tokens.load().is_ok() && !self.oidc.is_failing()
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
    /// The problem of the file; the tokens stay as they were.
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

    /// The identity by the certificate of a client. One that no rule is about is good, and allows nothing.
    pub(super) fn certificate_identity(&self, certificate: &ClientCertificate) -> Identity {
        match certificate {
            ClientCertificate::None => Identity::Anonymous,
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

    /// The identity by the credential of a request.
    pub(super) async fn identity(&self, credential: &Credential, headers: &HeaderMap) -> Identity {
        match credential {
            Credential::None => Identity::Anonymous,
            Credential::Secret(secret) => match self.oidc.identity(secret.bytes()).await {
                Some(identity) => identity,
                None => self.token(secret.bytes(), headers.get(AUTHORIZATION)),
            },
            Credential::Unreadable => Identity::Wrong("unreadable credential".into()),
        }
    }

    /// Looks at the holder of the token in a header `Authorization` that was verified before.
    pub(super) fn with_verified_holder<T>(
        &self,
        header: &[u8],
        look: impl FnOnce(&Principal) -> T,
    ) -> Option<T> {
        let tokens = self.tokens.load();
        let token = tokens.as_ref().as_ref().ok()?.verified(header, SystemTime::now())?;
        Some(look(&token.holder))
    }

    fn token(&self, secret: &[u8], header: Option<&HeaderValue>) -> Identity {
        let Ok(tokens) = &**self.tokens.load() else {
            return Identity::Undetermined(Undetermined::Outage);
        };
        let header = header.map(HeaderValue::as_bytes).unwrap_or_default();
        match tokens.verify(secret, header, SystemTime::now()) {
            Ok(known) => Identity::Known(known.holder.clone()),
            Err(error @ WrongToken::Expired(_)) => Identity::Expired(error.to_string().into()),
            Err(error) => Identity::Wrong(error.to_string().into()),
        }
    }
}

/// The tokens of a file; without a file there are none.
fn load(file: Option<&Path>) -> Result<Tokens, TokenFileError> {
    file.map_or_else(|| Ok(Tokens::default()), Tokens::load)
}

/// Problems of tokens and issuers of a configuration, for the operator.
#[must_use]
pub fn problems(config: &AccessConfig) -> Vec<String> {
    let issuers = issuer_problems(config).into_iter();
    let issuers = issuers.map(|(name, problem)| format!("access.oidc.{name}: {problem}"));
    token_problems(config).into_iter().chain(issuers).collect()
}

/// The problem of the file of tokens, for the operator.
#[must_use]
pub fn token_problems(config: &AccessConfig) -> Option<String> {
    load(config.tokens.as_deref()).err().map(|error| error.to_string())
}

/// Problems of the issuers of tokens, each with its name in the configuration.
#[must_use]
pub fn issuer_problems(config: &AccessConfig) -> Vec<(String, String)> {
    oidc::problems(&config.oidc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Permission, Subject, certificate::CertificateOwner};

    #[test]
    fn all_rules_about_a_subject_count() {
        let rule = |subject, allow: Permission| SubjectRule {
            subject: Subject::parse(subject).unwrap(),
            allow: allow.into(),
        };
        let subjects = vec![rule("O=Example", Permission::Read), rule("CN=ci", Permission::Push)];
        let access = Access::new(None, &AccessConfig { subjects, ..AccessConfig::default() });
        let allowed = |subject| {
            let owner = CertificateOwner::new(Subject::of_text(subject).unwrap());
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

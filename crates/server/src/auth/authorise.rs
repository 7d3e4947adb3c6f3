//! Whether a request may have what it asks for.

use std::sync::Arc;

use actix_web::HttpRequest;
use rns_cache::Pattern;

use super::{
    Access, Credential, FailurePolicy, Identity, Permission, Principal, PrincipalId,
    certificate::ClientCertificate, denied::Denied,
};

/// What a client was allowed to do.
pub(crate) struct Grant {
    /// Only paths with such names, and their references. None: everything that the cache shows.
    pub(crate) confined_to: Option<Arc<[Pattern]>>,
    /// Whether the answer is for this client alone: proxies must not keep it for others.
    pub(crate) private: bool,
    /// Who it is, where that is known.
    pub(crate) holder: Option<PrincipalId>,
}

impl Grant {
    /// A grant for a client of a cache that every client may use so.
    const fn open(holder: Option<PrincipalId>) -> Self {
        Self { confined_to: None, private: false, holder }
    }

    /// A grant for one client of a cache that not every client may use so.
    fn private(access: &Access, holder: &Principal) -> Self {
        let is_confined = !holder.paths.is_empty();
        Self {
            confined_to: is_confined.then(|| Arc::clone(&holder.paths)),
            private: true,
            holder: Some(access.principal_id(holder)),
        }
    }
}

/// Whether a request may have what it asks for.
///
/// # Errors
/// Why not. The answer to that may take long, and nothing that others wait for shall be held meanwhile.
pub(crate) async fn authorise(
    request: &HttpRequest,
    access: &Access,
    failure_policy: &FailurePolicy,
    needed: Permission,
) -> Result<Grant, Denied> {
    let open = access.anonymous().has(needed);
    let credential = Credential::of(request.headers());
    let certificate = ClientCertificate::of(request);
    if open && credential == Credential::None && certificate == ClientCertificate::None {
        return Ok(Grant::open(None));
    }
    let by_token = access.identity(&credential, request.headers()).await;
    match by_token.or(access.certificate_identity(&certificate), needed) {
        // A permission of every client is not withheld from one whose token is old, or for other things.
        Identity::Known(holder) if open => Ok(Grant::open(Some(access.principal_id(&holder)))),
        Identity::Anonymous | Identity::Undetermined if open => Ok(Grant::open(None)),
        // It may be meant for a proxy on the way: no client has one here, and none needs one.
        Identity::Wrong(_) if open && !access.knows_credentials() => Ok(Grant::open(None)),
        Identity::Wrong(why) => {
            failure_policy.failed(request, access, &why);
            if open { Ok(Grant::open(None)) } else { Err(Denied::WrongCredential) }
        }
        Identity::Anonymous => Err(Denied::NoCredential),
        Identity::Undetermined => Err(Denied::Undetermined),
        Identity::Known(holder) if !holder.allow.has(needed) => {
            failure_policy.forbidden(request, access, &holder, needed);
            Err(Denied::Forbidden)
        }
        Identity::Known(holder) => Ok(Grant::private(access, &holder)),
    }
}

/// Whether a client may read a cache, where that is known without waiting: every client may, or it shows a header
/// `Authorization` that was verified before. It shows no certificate.
pub(crate) fn authorise_read_now(access: &Access, authorization: Option<&[u8]>) -> Option<Grant> {
    let open = access.anonymous().has(Permission::Read);
    let Some(header) = authorization else { return open.then(|| Grant::open(None)) };
    let grant = access.with_verified_holder(header, |holder| {
        if open {
            return Some(Grant::open(Some(access.principal_id(holder))));
        }
        holder.allow.has(Permission::Read).then(|| Grant::private(access, holder))
    });
    grant.flatten()
}

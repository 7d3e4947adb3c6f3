//! Whether a request is allowed.

use std::sync::Arc;

use rns_cache::Pattern;

use super::{
    Access, Credential, FailurePolicy, Identity, Permission, Permissions, Principal, PrincipalId,
    certificate::ClientCertificate, denied::Denied,
};
use crate::connection::request_parts::RequestParts;

/// The permission that a request got.
pub(crate) struct Grant {
    /// Only paths with such names, and their references. None: everything that the cache shows.
    pub(crate) confined_to: Option<Arc<[Pattern]>>,
    /// Whether the answer is for this client alone: proxies must not keep it for others.
    pub(crate) private: bool,
    /// Who it is, where that is known.
    pub(crate) holder: Option<PrincipalId>,
    /// Whether this client may push as well: then it is told only of paths that stay, since it skips these.
    pub(crate) is_pusher: bool,
    /// Whether this client may see the roots of its paths.
    pub(crate) may_pin: bool,
}

impl Grant {
    /// A grant for a client of a cache that every client may use so.
    fn open(access: &Access, holder: Option<&Principal>) -> Self {
        let is_pusher = may(access, holder, Permission::Push);
        // The cache is shown whole: one who pins some paths only would see the roots of others with it.
        let is_confined = holder.is_some_and(|holder| !holder.paths.is_empty());
        let may_pin = !is_confined && may(access, holder, Permission::Pin);
        let holder = holder.map(|holder| access.principal_id(holder));
        Self { confined_to: None, private: false, holder, is_pusher, may_pin }
    }

    /// A grant for one client of a cache that not every client may use so.
    fn private(access: &Access, holder: &Principal) -> Self {
        let is_confined = !holder.paths.is_empty();
        Self {
            confined_to: is_confined.then(|| Arc::clone(&holder.paths)),
            private: true,
            holder: Some(access.principal_id(holder)),
            is_pusher: may(access, Some(holder), Permission::Push),
            may_pin: may(access, Some(holder), Permission::Pin),
        }
    }

    /// Whether this client may push something about a path with this name.
    pub(crate) fn may_name(&self, name: &str) -> bool {
        let mut patterns = self.confined_to.iter().flat_map(|patterns| patterns.iter());
        self.confined_to.is_none() || patterns.any(|pattern| pattern.matches(name))
    }
}

fn may(access: &Access, holder: Option<&Principal>, permission: Permission) -> bool {
    let own = holder.map_or(Permissions::NONE, |holder| holder.allow);
    (own | access.anonymous()).has(permission)
}

/// Whether a request is allowed.
///
/// # Errors
/// Why not. The answer to that may take long, and nothing that others wait for shall be held meanwhile.
pub(crate) async fn authorise(
    request: &impl RequestParts,
    access: &Access,
    failure_policy: &FailurePolicy,
    needed: Permission,
) -> Result<Grant, Denied> {
    let open = access.anonymous().has(needed);
    let headers = &request.head().headers;
    let credential = Credential::of(headers);
    let certificate = ClientCertificate::of(request);
    if open && credential == Credential::None && certificate == ClientCertificate::None {
        return Ok(Grant::open(access, None));
    }
    let by_token = access.identity(&credential, headers).await;
    match by_token.or(access.certificate_identity(&certificate), needed) {
        // A permission of every client is not withheld from one whose token is old, or for other things.
        Identity::Known(holder) if open => Ok(Grant::open(access, Some(&holder))),
        Identity::Anonymous | Identity::Undetermined(_) if open => Ok(Grant::open(access, None)),
        // It may be meant for a proxy on the way: no client has one here, and none needs one.
        Identity::Wrong(_) | Identity::Expired(_) if open && !access.knows_credentials() => {
            Ok(Grant::open(access, None))
        }
        Identity::Wrong(why) => {
            failure_policy.failed(request, access, &why);
            if open { Ok(Grant::open(access, None)) } else { Err(Denied::WrongCredential) }
        }
        Identity::Expired(why) => {
            failure_policy.failed(request, access, &why);
            if open { Ok(Grant::open(access, None)) } else { Err(Denied::ExpiredCredential) }
        }
        Identity::Anonymous => Err(Denied::NoCredential),
        Identity::Undetermined(why) => Err(Denied::Undetermined(why)),
        Identity::Known(holder) if !holder.allow.has(needed) => {
            failure_policy.forbidden(request, access, &holder, needed);
            Err(Denied::Forbidden(needed))
        }
        Identity::Known(holder) => Ok(Grant::private(access, &holder)),
    }
}

/// Whether a client may read a cache, where that is known without waiting: every client may, or it shows a header
/// `Authorization` that was verified before. It shows no certificate.
pub(crate) fn authorise_read_now(access: &Access, authorization: Option<&[u8]>) -> Option<Grant> {
    let open = access.anonymous().has(Permission::Read);
    let Some(header) = authorization else { return open.then(|| Grant::open(access, None)) };
    let grant = access.with_verified_holder(header, |holder| {
        if open {
            return Some(Grant::open(access, Some(holder)));
        }
        holder.allow.has(Permission::Read).then(|| Grant::private(access, holder))
    });
    grant.flatten()
}

//! The rules of access.
//!
//! [`required_permission()`] tells the permission that a request needs, [`Credential`] is sent by the client, and [`Access`] of
//! each cache tells the permissions that it gives there. All of it comes before any lookup, so that a client that may not read learns nothing from the
//! answer, nor from how long it takes.

mod access;
mod authorise;
mod certificate;
pub(crate) mod config;
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

pub(crate) use self::{
    access::Access,
    authorise::{Grant, authorise, authorise_read_now},
    certificate::ConnectionCertificate,
    credential::Credential,
    denied::Denied,
    failure_policy::FailurePolicy,
    identity::{Identity, Principal, PrincipalId, Undetermined},
    required_permission::required_permission,
};
pub use self::{
    access::{issuer_problems, problems, token_problems},
    permission::{Permission, Permissions, UnknownPermission},
    subject::{Subject, SubjectError},
};

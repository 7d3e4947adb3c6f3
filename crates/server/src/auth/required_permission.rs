//! The permission that a request needs. A new name of the grammar has to be added here before the program can be built.

use actix_web::http::Method;
use rns_formats::url::Resource;

use crate::auth::Permission;

/// The permission that a request needs. `None`: every client is answered. `takes_uploads`: at its address, names can
/// be uploaded and deleted; elsewhere such a request is answered with 405 for every client that may read. `has_roots`: the
/// same of roots.
///
/// A client that may not read a cache learns nothing of it, not even which names there could be: a path that is no name,
/// and a method that cannot be used, need the permission to read.
pub(crate) fn required_permission(
    resource: Option<&Resource>,
    method: &Method,
    takes_uploads: bool,
    has_roots: bool,
) -> Option<Permission> {
    let of_order = match *method {
        Method::PUT | Method::POST => Permission::Push,
        Method::DELETE => Permission::Delete,
        _ => Permission::Read,
    };
    match resource {
        // Monitoring needs no access to the cache, and learns nothing of its contents.
        Some(Resource::Healthz | Resource::Readyz) => None,
        // A CI step asks it for the audience of its token, so before it has one.
        Some(Resource::CacheConfig) => None,
        Some(Resource::Metrics) => Some(Permission::Metrics),
        Some(
            Resource::CacheInfo
            | Resource::NarInfo { .. }
            | Resource::Listing(_)
            | Resource::Nar(_)
            | Resource::Log(_)
            | Resource::BuildTrace { .. }
            | Resource::Realisation(_)
            | Resource::DebugInfo(_)
            | Resource::MissingPaths,
        ) => Some(if takes_uploads { of_order } else { Permission::Read }),
        Some(Resource::GcRoots | Resource::GcRoot(_) | Resource::NoGcRoot(_)) if has_roots => {
            Some(Permission::Pin)
        }
        Some(
            Resource::Root
            | Resource::Serve { .. }
            | Resource::PublicKeys
            | Resource::SamplePath
            | Resource::Version
            | Resource::GcRoots
            | Resource::GcRoot(_)
            | Resource::NoGcRoot(_),
        )
        | None => Some(Permission::Read),
    }
}

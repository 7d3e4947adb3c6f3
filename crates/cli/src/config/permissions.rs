//! Lists of permissions.

use rns_server::config::Permissions;

use super::diagnostics::Diagnostics;

/// Reads the permissions in a list; a wrong word is a problem of `key`.
pub(super) fn permissions(
    words: &[String],
    key: &str,
    diagnostics: &mut Diagnostics<'_>,
) -> Permissions {
    Permissions::parse(words.iter().map(String::as_str)).unwrap_or_else(|error| {
        diagnostics.problem(key, error.to_string(), "");
        Permissions::NONE
    })
}

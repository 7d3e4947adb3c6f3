//! The one who gives orders on the machine of the storage, in the records of it.

use rns_cache::Pusher;

use crate::config::Environment;

/// The user who runs a command.
pub(in crate::commands) fn operator(environment: &Environment, command: &str) -> Pusher {
    let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| environment.get(name));
    Pusher { name: format!("{} ({command})", user.unwrap_or("operator")), address: None }
}

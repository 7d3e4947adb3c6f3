//! Reasons for which Nix ignores the lines that `use` has written.

use rns_doctor::machine::{NixConf, is_ignored};
use rns_formats::PublicKey;
use url::Url;

use crate::config::Environment;

/// The reasons for which Nix does not use a cache with these keys, in words. `conf` is the configuration with the change; with
/// `is_system` it is that of the whole machine.
pub(super) fn doubts(
    conf: &NixConf,
    url: &Url,
    keys: &[PublicKey],
    is_system: bool,
    environment: &Environment,
) -> Vec<String> {
    let mut doubts = Vec::new();
    let trusted = conf.trusted_keys();
    let settings = [
        ("substituters", conf.substitutes_from(url)),
        ("trusted-public-keys", keys.iter().all(|key| trusted.contains(key))),
    ];
    for (name, _) in settings.iter().filter(|(_, is_taken_up)| !is_taken_up) {
        doubts.push(format!(
            "Nix does not take this up: another line `{name} = …` comes after it, in the same file, in one that counts more \
             or in NIX_CONFIG. Make that line `extra-{name}`."
        ));
    }
    let user = environment.get("USER").unwrap_or("root");
    if !is_system && is_ignored(conf, user, url) {
        doubts.push(format!(
            "The Nix daemon does not trust {user}, and ignores this cache in the nix.conf of that user: as root, \
             `rust-nix-serve use` with --system sets it up for all users."
        ));
    }
    doubts
}

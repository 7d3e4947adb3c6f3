//! Signing keys and policies.

use rns_server::config::{SigningConfig, SigningPolicy};

use super::{
    diagnostics::Diagnostics,
    expose::public_keys,
    raw::{RawCacheSigning, RawPolicy, RawSigning},
};

/// The signing configuration of a table.
pub(super) fn signing(
    raw: &RawSigning,
    table: &str,
    diagnostics: &mut Diagnostics<'_>,
) -> SigningConfig {
    let signed_by = format!("{table}.signed_by");
    let trusted = public_keys(&raw.signed_by, &signed_by, diagnostics);
    match (raw.policy, raw.signed_by.is_empty()) {
        (RawPolicy::SignedBy, true) => {
            diagnostics.problem(&signed_by, "the policy signed-by needs public keys here", "");
        }
        (RawPolicy::SignedBy, false) | (_, true) => {}
        (_, false) => {
            let hint = format!("write `policy = \"signed-by\"` in [{table}], or leave it out");
            diagnostics.problem(&signed_by, "only the policy signed-by reads this", &hint);
        }
    }
    if raw.policy == RawPolicy::Keep && !raw.keys.is_empty() {
        diagnostics.warn(format!("the keys in {table}.keys sign nothing with the policy `keep`"));
    }
    SigningConfig {
        keys: raw.keys.iter().map(|name| diagnostics.credential(name)).collect(),
        policy: match raw.policy {
            RawPolicy::Add => SigningPolicy::Add,
            RawPolicy::Replace => SigningPolicy::Replace,
            RawPolicy::Keep => SigningPolicy::Keep,
            RawPolicy::Ultimate => SigningPolicy::Ultimate,
            RawPolicy::SignedBy => SigningPolicy::SignedBy(trusted),
        },
    }
}

/// The signing table of a named cache: its own keys, and those of `[signing]` where it has none.
pub(super) fn of_cache(raw: &RawCacheSigning, general: &RawSigning) -> RawSigning {
    let policy = raw.policy.unwrap_or(general.policy);
    // A key that only one policy reads is not inherited by another policy; neither are signing keys where nothing is signed.
    let inherited =
        |is_read: bool, list: &Vec<String>| if is_read { list.clone() } else { Vec::new() };
    RawSigning {
        keys: raw.keys.clone().unwrap_or_else(|| {
            inherited(policy != RawPolicy::Keep || general.policy == policy, &general.keys)
        }),
        policy,
        signed_by: raw
            .signed_by
            .clone()
            .unwrap_or_else(|| inherited(policy == RawPolicy::SignedBy, &general.signed_by)),
    }
}

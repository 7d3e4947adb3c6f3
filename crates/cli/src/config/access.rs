//! Permissions of clients.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use rns_server::auth::Subject;
use rns_server::config::{AccessConfig, FailurePolicyConfig, SubjectRule};

use super::{
    diagnostics::Diagnostics,
    oidc,
    permissions::permissions,
    raw::{RawAccess, RawCacheAccess, RawOidc},
};

/// The keys that the tables of all caches have in common.
#[derive(Clone, Copy)]
pub(super) struct AccessRules<'a> {
    anonymous: &'a [String],
    tokens: &'a str,
    subjects: &'a [String],
    oidc: &'a BTreeMap<String, RawOidc>,
}

impl<'a> AccessRules<'a> {
    /// Those of `[access]`.
    pub(super) fn of(raw: &'a RawAccess) -> Self {
        let RawAccess { anonymous, tokens, subjects, oidc, .. } = raw;
        Self { anonymous, tokens, subjects, oidc }
    }

    /// Those of a cache with a name.
    pub(super) fn of_cache(raw: &'a RawCacheAccess) -> Self {
        let RawCacheAccess { anonymous, tokens, subjects, oidc, .. } = raw;
        Self { anonymous, tokens, subjects, oidc }
    }
}

/// The default would leave a cache public by accident.
const ANONYMOUS_NOT_SET: &str = "there are tokens, certificates or issuers, so the permissions of anonymous clients must be written";

/// The access configuration of the cache with this table.
pub(super) fn access(
    rules: AccessRules<'_>,
    table: &str,
    diagnostics: &mut Diagnostics<'_>,
) -> AccessConfig {
    let has_holders =
        !rules.tokens.is_empty() || !rules.subjects.is_empty() || !rules.oidc.is_empty();
    // Without the key, `[access]` lets anonymous clients read, which is hardly intended beside tokens.
    let anonymous = format!("{table}.anonymous");
    if has_holders && !rules.anonymous.is_empty() && !diagnostics.settings.is_set(&anonymous) {
        let hint = "write `anonymous = []` for a private cache, or `anonymous = [\"read\"]`";
        diagnostics.problem(&anonymous, ANONYMOUS_NOT_SET, hint);
    }
    AccessConfig {
        anonymous: permissions(rules.anonymous, &format!("{table}.anonymous"), diagnostics),
        tokens: (!rules.tokens.is_empty()).then(|| diagnostics.credential(rules.tokens)),
        subjects: subjects(rules.subjects, &format!("{table}.subjects"), diagnostics),
        oidc: oidc::providers(rules.oidc, &format!("{table}.oidc"), diagnostics),
    }
}

/// The permissions of client certificates, by their subjects.
fn subjects(rules: &[String], key: &str, diagnostics: &mut Diagnostics<'_>) -> Vec<SubjectRule> {
    let mut found = Vec::new();
    for text in rules {
        let (words, subject) = text.split_once(':').unwrap_or(("", text));
        let words: Vec<String> = words.split(',').map(|word| word.trim().to_owned()).collect();
        match Subject::parse(subject) {
            Ok(subject) => {
                found.push(SubjectRule { subject, allow: permissions(&words, key, diagnostics) });
            }
            Err(error) => diagnostics.problem(
                key,
                format!("`{text}`: {error}"),
                "expected something like read,push: CN=ci,O=Example",
            ),
        }
    }
    found
}

/// The trusted proxies, and the delay of refusals, for all caches.
pub(super) fn failure_policy(
    raw: &RawAccess,
    diagnostics: &mut Diagnostics<'_>,
) -> FailurePolicyConfig {
    let mut trusted_proxies = Vec::new();
    for text in &raw.trusted_proxies {
        match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
            Ok(network) => trusted_proxies.push(network),
            Err(_) => diagnostics.problem(
                "access.trusted_proxies",
                format!("`{text}` is neither an address nor a network"),
                "expected something like 10.0.0.1 or 10.0.0.0/8",
            ),
        }
    }
    FailurePolicyConfig { trusted_proxies, failure_delay: raw.failure_delay.0 }
}

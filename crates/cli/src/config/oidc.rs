//! Services that issue tokens.

use std::collections::BTreeMap;

use rns_server::config::OidcProvider;

use super::{diagnostics::Diagnostics, permissions::permissions, raw::RawOidc};

/// Those below `table`, such as `access.oidc`.
pub(super) fn providers(
    raw: &BTreeMap<String, RawOidc>,
    table: &str,
    diagnostics: &mut Diagnostics<'_>,
) -> Vec<OidcProvider> {
    raw.iter()
        .map(|(name, raw)| provider(name, raw, &format!("{table}.{name}"), diagnostics))
        .collect()
}

fn provider(
    name: &str,
    raw: &RawOidc,
    table: &str,
    diagnostics: &mut Diagnostics<'_>,
) -> OidcProvider {
    if !is_url(&raw.issuer) {
        diagnostics.problem(
            &format!("{table}.issuer"),
            format!("`{}` is not the URL of an issuer", raw.issuer),
            "expected something like https://token.actions.githubusercontent.com",
        );
    }
    if raw.audience.is_empty() {
        diagnostics.problem(
            &format!("{table}.audience"),
            "there is no audience, so tokens made for other services would be taken",
            "write the URL of this cache, and make the tokens for it",
        );
    }
    if raw.claims.is_empty() {
        diagnostics.problem(
            &format!("{table}.claims"),
            "no claim is required, so every user of the service could get such a token",
            "write `claims = [\"repository=OWNER/*\"]` for GitHub, `claims = [\"project_path=GROUP/*\"]` for GitLab",
        );
    }
    let allow = permissions(&raw.allow, &format!("{table}.allow"), diagnostics);
    if raw.allow.is_empty() {
        diagnostics.problem(
            &format!("{table}.allow"),
            "its tokens would allow nothing",
            "write `allow = [\"read\"]`",
        );
    }
    OidcProvider {
        name: name.to_owned(),
        issuer: raw.issuer.clone(),
        audience: raw.audience.clone(),
        claims: claims(&raw.claims, &format!("{table}.claims"), diagnostics),
        allow,
        ca: (!raw.ca.is_empty()).then(|| diagnostics.credential(&raw.ca)),
    }
}

/// Whether the URL is one with TLS, or on this machine. Without TLS, a third party on the network could replace the keys.
fn is_url(text: &str) -> bool {
    let rest = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => rest,
        (None, Some(rest)) if is_loopback(rest) => rest,
        _ => return false,
    };
    !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || "?#\"'<>".contains(c))
}

fn is_loopback(rest: &str) -> bool {
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    matches!(host, "127.0.0.1" | "[::1]" | "localhost")
}

fn claims(texts: &[String], key: &str, diagnostics: &mut Diagnostics<'_>) -> Vec<(String, String)> {
    let mut claims = Vec::new();
    for text in texts {
        match text.split_once('=') {
            Some((claim, value)) if !claim.trim().is_empty() => {
                claims.push((claim.trim().to_owned(), value.trim().to_owned()));
            }
            _ => diagnostics.problem(
                key,
                format!("`{text}` is no claim with a value"),
                "expected something like repository=OWNER/*",
            ),
        }
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::super::tests::{load_with, refusal};
    use super::*;

    #[test]
    fn a_provider_arrives_typed() {
        let text = "[access]\nanonymous = []\n[access.oidc.github]\nissuer = \"https://token.actions.githubusercontent.com\"\naudience = \"a\"\n\
                    claims = [\"repository=org/*\", \"ref = refs/heads/a=b\"]\nallow = [\"read\", \"push\"]\nca = \"/ca\"\n";
        let access = load_with(text, &[], &[]).unwrap().server.caches.default.access;
        let provider = access.oidc.first().unwrap();
        assert_eq!(provider.name, "github");
        assert_eq!(
            provider.claims,
            [("repository".into(), "org/*".into()), ("ref".into(), "refs/heads/a=b".into())]
        );
        assert_eq!(provider.allow.to_string(), "read,push");
        assert_eq!(provider.ca.as_deref(), Some(std::path::Path::new("/ca")));
    }

    #[test]
    fn a_provider_that_every_user_could_use_is_refused() {
        let said = refusal(
            "[access.oidc.x]\nissuer = \"http://example.org\"\nclaims = [\"x\"]\nallow = [\"all\"]\n",
        );
        for part in [
            "access.oidc.x.issuer (",
            "`http://example.org` is not the URL of an issuer",
            "access.oidc.x.audience (",
            "`x` is no claim with a value",
            "access.oidc.x.allow (",
        ] {
            assert!(said.contains(part), "{part}\nin\n{said}");
        }
        let said = refusal("[access.oidc.x]\n");
        assert!(said.contains("no claim is required"), "{said}");
        assert!(said.contains("would allow nothing"), "{said}");
    }

    #[test]
    fn only_this_machine_may_be_asked_without_tls() {
        for good in
            ["https://a.example", "http://127.0.0.1:80/x", "http://[::1]:1", "http://localhost"]
        {
            assert!(is_url(good), "{good}");
        }
        for bad in [
            "",
            "a.example",
            "http://a.example",
            "http://127.0.0.1.example",
            "https://",
            "https://a?b",
        ] {
            assert!(!is_url(bad), "{bad}");
        }
    }
}

use rns_testing::{Issuer as Local, SigningKey, claims};
use serde_json::json;

use super::*;
use crate::auth::Permission;

const AUDIENCE: &str = "https://cache.example.org";

/// A provider like GitHub's.
fn provider(
    name: &str,
    issuer: &Local,
    claims: &[(&str, &str)],
    allow: Permission,
) -> OidcProvider {
    OidcProvider {
        name: name.to_owned(),
        issuer: issuer.url(),
        audience: AUDIENCE.to_owned(),
        claims: claims.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        allow: allow.into(),
        ca: None,
    }
}

fn of_main(issuer: &Local) -> Oidc {
    let claims = [("repository", "org/*"), ("ref", "refs/heads/main")];
    Oidc::new(&[provider("github", issuer, &claims, Permission::Read)])
}

/// The claims of such a token.
fn main_of(issuer: &Local, repository: &str) -> Value {
    let sub = format!("repo:{repository}:ref:refs/heads/main");
    let others = json!({ "sub": sub, "repository": repository, "ref": "refs/heads/main" });
    claims(&issuer.url(), AUDIENCE, others)
}

async fn worth(oidc: &Oidc, token: &str) -> Result<Principal, String> {
    match oidc.identity(token.as_bytes()).await {
        Some(Identity::Known(holder)) => Ok(holder),
        Some(Identity::Wrong(why) | Identity::Expired(why)) => Err(why.into_owned()),
        Some(Identity::Undetermined(_)) => Err("unknowable".to_owned()),
        Some(Identity::Anonymous) | None => Err("nothing".to_owned()),
    }
}

#[tokio::test]
async fn a_token_of_every_accepted_kind_is_known() {
    let keys = [SigningKey::rsa("r"), SigningKey::p256("p"), SigningKey::ed25519("e")];
    let issuer = Local::start(&keys.each_ref());
    let oidc = of_main(&issuer);
    for key in &keys {
        let holder = worth(&oidc, &key.sign(&main_of(&issuer, "org/repo"))).await.unwrap();
        assert_eq!(&*holder.name, "oidc github repo:org/repo:ref:refs/heads/main");
        assert_eq!(holder.allow, Permission::Read.into());
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_said() {
    let (key, other) = (SigningKey::p256("p"), SigningKey::p256("p"));
    let issuer = Local::start(&[&key]);
    let oidc = of_main(&issuer);
    let good = main_of(&issuer, "org/repo");
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        key.sign(&claims)
    };
    let now = token::seconds() as u64;
    for (token, why) in [
        (key.sign_with(&json!({ "alg": "ES256", "kid": "x" }), &good), "does not have"),
        // Keys were fetched just now, and may be others by now.
        (key.sign_with(&json!({ "alg": "ES256", "kid": "y" }), &good), "unknowable"),
        (key.sign_with(&json!({ "alg": "EdDSA", "kid": "p" }), &good), "unknowable"),
        (with("aud", json!("https://other.example.org")), "another audience"),
        (with("aud", json!([])), "another audience"),
        (with("aud", json!(7)), "without exp, iss or aud"),
        (with("iss", json!("https://gitlab.com")), "not configured"),
        (with("iss", json!([issuer.url()])), "does not say which"),
        (with("exp", json!(now - 61)), "expired"),
        (with("exp", json!("never")), "without exp, iss or aud"),
        (with("exp", Value::Null), "without exp, iss or aud"),
        (with("nbf", json!(now + 120)), "not valid yet"),
        (with("nbf", json!("soon")), "not as it should be"),
        (with("iat", json!(now + 120)), "from the future"),
        (with("iat", json!("now")), "not as it should be"),
        (
            with("repository", json!("organisation/repo\u{1b}")),
            "for access.oidc.github `repository` is \"organisation/repo\\u001b\", not `org/*`",
        ),
        (
            with("ref", json!("refs/heads/mainz")),
            "`ref` is \"refs/heads/mainz\", not `refs/heads/main`",
        ),
        (with("ref", Value::Null), "`ref` is null"),
        (other.sign(&good), "wrong signature"),
        (key.sign_with(&json!({ "alg": "none" }), &good), "unknown way"),
        (key.sign_with(&json!({ "alg": "HS256", "kid": "p" }), &good), "not accepted"),
        (key.sign_with(&json!({ "alg": "ES256", "kid": "p", "crit": ["b64"] }), &good), "demands"),
    ] {
        let found = worth(&oidc, &token).await.unwrap_err();
        assert!(found.contains(why), "{found:?} is not about {why:?}");
    }
    // Clocks may differ by a minute.
    for late in
        [with("exp", json!(now - 30)), with("nbf", json!(now + 30)), with("iat", json!(now + 30))]
    {
        worth(&oidc, &late).await.unwrap();
    }
}

#[tokio::test]
async fn a_token_that_lasts_is_looked_at_again() {
    let key = SigningKey::ed25519("e");
    let issuer = Local::start(&[&key]);
    let oidc = of_main(&issuer);
    let mut lasting = main_of(&issuer, "org/repo");
    let now = token::seconds();
    for (exp, least, most) in [(10 * 86_400, 3590.0, 3660.0), (600, 600.0, 720.0)] {
        lasting["exp"] = json!(now as u64 + exp);
        let good =
            oidc.check(key.sign(&lasting).as_bytes(), Instant::now()).await.unwrap().unwrap();
        let left = good.until - now;
        assert!((least..most).contains(&left), "{left} seconds");
    }
}

#[tokio::test]
async fn a_changed_token_is_not_the_one_that_was_found_good() {
    let key = SigningKey::ed25519("e");
    let issuer = Local::start(&[&key]);
    let oidc = of_main(&issuer);
    let token = key.sign(&main_of(&issuer, "org/repo"));
    worth(&oidc, &token).await.unwrap();
    worth(&oidc, &token).await.unwrap();
    let (rest, signature) = token.rsplit_once('.').unwrap();
    for changed in [format!("{rest}."), format!("{rest}.AAAA"), format!("{rest}.{}A", signature)] {
        assert!(worth(&oidc, &changed).await.is_err(), "{changed}");
    }
}

#[tokio::test]
async fn what_all_that_fit_allow_is_allowed() {
    let key = SigningKey::p256("p");
    let issuer = Local::start(&[&key]);
    let mut pushing = provider("push", &issuer, &[("ref", "refs/heads/main")], Permission::Push);
    pushing.audience = "push".to_owned();
    let reading = provider("read", &issuer, &[("repository", "org/*")], Permission::Read);
    let oidc = Oidc::new(&[pushing, reading]);
    let mut wanted = main_of(&issuer, "org/repo");
    let holder = worth(&oidc, &key.sign(&wanted)).await.unwrap();
    assert_eq!(holder.allow, Permission::Read.into(), "it is not for the audience `push`");
    wanted["aud"] = json!(["push", AUDIENCE]);
    let holder = worth(&oidc, &key.sign(&wanted)).await.unwrap();
    assert_eq!(holder.allow, Permissions::from(Permission::Read) | Permission::Push.into());
}

#[tokio::test]
async fn an_issuer_that_cannot_be_asked_makes_no_token_wrong() {
    let key = SigningKey::p256("p");
    let issuer = Local::start(&[&key]);
    issuer.set_down(true);
    let oidc = of_main(&issuer);
    let token = key.sign(&main_of(&issuer, "org/repo"));
    assert_eq!(worth(&oidc, &token).await.unwrap_err(), "unknowable");
}

#[tokio::test]
async fn an_issuer_must_be_called_what_it_is_configured_as() {
    let key = SigningKey::p256("p");
    let issuer = Local::start(&[&key]);
    let oidc = of_main(&issuer);
    let token = key.sign(&main_of(&issuer, "org/repo"));
    issuer.call(&format!("{}/", issuer.url()));
    assert_eq!(worth(&oidc, &token).await.unwrap_err(), "unknowable");
}

#[tokio::test]
async fn other_secrets_are_left_to_others() {
    let issuer = Local::start(&[]);
    let oidc = of_main(&issuer);
    for secret in ["rns_abc", "a.b.c", "a.b", "e30.e30", "e30.e30.e30.e30", "NA.e30.e30", ""] {
        assert!(oidc.identity(secret.as_bytes()).await.is_none(), "{secret:?}");
    }
    assert!(oidc.identity(b"e30.e30.e30").await.is_some());
    assert!(Oidc::new(&[]).identity(b"e30.e30.e30").await.is_none());
}

#[test]
fn problems_name_the_provider() {
    let issuer = Local::start(&[]);
    let mut provider = provider("github", &issuer, &[], Permission::Read);
    assert_eq!(problems(std::slice::from_ref(&provider)), []);
    provider.issuer = "http://gitlab.com".to_owned();
    provider.ca = Some("/nonexistent/ca.pem".into());
    let found = problems(&[provider]);
    assert!(found.iter().all(|(name, _)| name == "github"));
    assert!(found[0].1.contains("http://gitlab.com is not of https"), "{found:?}");
    assert!(found[1].1.contains("CA file /nonexistent/ca.pem: it does not exist"), "{found:?}");
}

proptest::proptest! {
    #[test]
    fn no_token_is_too_strange(
        header in "\\{\"alg\":\"(ES256|RS256|EdDSA|none)\"[^}]{0,20}\\}", claims in ".{0,60}", signature: Vec<u8>, any: Vec<u8>
    ) {
        use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as base64};
        let made = format!(
            "{}.{}.{}", base64.encode(header), base64.encode(claims), base64.encode(signature)
        );
        for secret in [made.as_bytes(), &any] {
            if token::is_one(secret) {
                let _ = Unverified::read(secret);
            }
        }
    }
}

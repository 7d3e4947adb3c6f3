//! Named caches: the values they resolve to, and the problems of wrong ones.

use rns_server::config::{CacheConfig, NamedCache, Permission, SigningPolicy};

use crate::config::{
    Loaded,
    tests::{load_with, refusal},
};

const PUBLIC: &str = "[expose]\neverything = true\n";

fn loaded(text: &str) -> Loaded {
    load_with(&format!("{PUBLIC}{text}"), &[], &[]).unwrap()
}

fn refused(text: &str, complaint: &str) {
    let said = refusal(&format!("{PUBLIC}{text}"));
    assert!(said.contains(complaint), "{complaint}\nin\n{said}");
}

/// Cache `a`, with these keys of its own.
fn one(keys: &str) -> String {
    format!("[cache.a]\npath = \"/a\"\n{keys}\n[cache.a.expose]\neverything = true\n")
}

fn first(loaded: &Loaded) -> &NamedCache {
    loaded.server.caches.named.first().unwrap()
}

#[test]
fn a_named_cache_is_private_and_inherits_priority_and_keys_only() {
    let general = "[cache_info]\npriority = 30\nwant_mass_query = false\n[signing]\nkeys = [\"/k\"]\n\
                   [access]\nanonymous = []\ntokens = \"/tokens\"\n";
    let loaded = loaded(&format!("{general}{}", one("hosts = [\"A.example.org.\"]")));
    let named = first(&loaded);
    assert_eq!((named.name.as_str(), named.path.as_deref()), ("a", Some("/a")));
    assert_eq!(named.hosts, ["a.example.org"]);
    let CacheConfig { priority, want_mass_query, signing, access, expose, upload } = &named.cache;
    assert_eq!((*priority, *want_mass_query), (30, false));
    assert_eq!(signing, &loaded.server.caches.default.signing);
    assert!(access.anonymous.is_empty() && access.tokens.is_none());
    assert!(expose.is_everything());
    assert_eq!(upload, &loaded.server.caches.default.upload);
    assert!(loaded.warnings[0].contains("no client may use cache a"), "{:?}", loaded.warnings);
}

#[test]
fn what_a_named_cache_says_goes_before_what_is_general() {
    let key = "test-1:etCiKKBZtOeNvBtc/+IEWoZIRIfdbH92B3tu7xf64ME=";
    let general =
        format!("[signing]\nkeys = [\"/k\"]\npolicy = \"signed-by\"\nsigned_by = [\"{key}\"]\n");
    let own = one("priority = 10")
        + "[cache.a.signing]\nkeys = [\"/own\"]\n[cache.a.access]\nanonymous = [\"read\"]\n";
    let found = loaded(&format!("{general}{own}"));
    let cache = &first(&found).cache;
    assert_eq!(cache.priority, 10);
    assert_eq!(cache.signing.keys, [std::path::Path::new("/own")]);
    assert!(matches!(&cache.signing.policy, SigningPolicy::SignedBy(keys) if keys.len() == 1));
    assert!(cache.access.anonymous.has(Permission::Read));

    let keep = one("signing.policy = \"keep\"");
    let loaded = loaded(&format!("{general}{keep}[cache.a.access]\nanonymous = [\"read\"]\n"));
    assert_eq!(first(&loaded).cache.signing.policy, SigningPolicy::Keep);
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn what_is_shown_must_be_said_once_there_are_several_caches() {
    let said = refusal(&one(""));
    assert!(said.contains("expose: there are named caches"), "{said}");
    let denies = refusal(&format!("[expose]\ndeny = [\"*.drv\"]\n{}", one("")));
    assert!(denies.contains("expose: there are named caches"), "{denies}");
    refused("[cache.a]\npath = \"/a\"\n", "cache.a.expose (");
    refused(
        "[cache.a]\npath = \"/a\"\n[cache.a.expose]\ndeny = [\"x\"]\n",
        "must choose the paths",
    );
    assert!(load_with(&format!("[expose]\neverything = false\n{}", one("")), &[], &[]).is_ok());
}

#[test]
fn every_cache_has_a_place_of_its_own() {
    refused("[cache.a]\n", "cache.a (");
    refused("[cache.a]\n", "neither a host name nor a path");
    for (keys, complaint) in [
        ("path = \"a\"", "does not begin with a slash"),
        ("path = \"/nar\"", "`nar` is a name within a cache"),
        ("path = \"/a/log\"", "`log` is a name within a cache"),
        ("path = \"/x.narinfo\"", "`x.narinfo` is a name within a cache"),
        ("path = \"/a//b\"", "is no path for a cache"),
        ("path = \"/A\"", "is no path for a cache"),
        ("path = \"/..\"", "is no path for a cache"),
        ("hosts = [\"https://a.example.org\"]", "write it without scheme"),
        ("hosts = [\"*.example.org\"]", "is not a host name"),
    ] {
        refused(&format!("[cache.a]\n{keys}\n"), complaint);
    }
    let twice = format!("{}[cache.b]\npath = \"/a/\"\nexpose.everything = true\n", one(""));
    refused(&twice, "cache.b (");
    refused(&twice, "in the same place as cache a");
    let apart =
        format!("{}[cache.b]\npath = \"/a\"\nhosts = [\"b\"]\nexpose.everything = true\n", one(""));
    assert_eq!(loaded(&apart).server.caches.named.len(), 2);
}

#[test]
fn different_tokens_below_one_host_are_warned_of() {
    let cache = |name: &str, place: &str, tokens: &str| {
        format!("[cache.{name}]\n{place}\nexpose.everything = true\naccess.tokens = \"{tokens}\"\n")
    };
    let warned = |text: &str| {
        let warnings = loaded(text).warnings;
        assert!(warnings.len() < 2, "{warnings:?}");
        warnings.first().is_some_and(|warning| warning.contains("share a host name"))
    };
    assert!(warned(&(cache("a", "path = \"/a\"", "/1") + &cache("b", "path = \"/b\"", "/2"))));
    assert!(!warned(&(cache("a", "path = \"/a\"", "/1") + &cache("b", "path = \"/b\"", "/1"))));
    assert!(!warned(&(cache("a", "hosts = [\"a\"]", "/1") + &cache("b", "hosts = [\"b\"]", "/2"))));
    assert!(!warned(&(cache("a", "hosts = [\"a\"]", "/1") + &cache("b", "path = \"/b\"", "/2"))));
    let general = "[access]\nanonymous = []\ntokens = \"/0\"\n";
    assert!(warned(&format!("{general}{}", cache("a", "path = \"/a\"", "/1"))));
    assert!(!warned(&format!("{general}{}", cache("a", "hosts = [\"a\"]", "/1"))));
}

#[test]
fn caches_that_no_request_reaches_are_warned_of() {
    let open = "expose.everything = true\naccess.anonymous = [\"read\"]\n";
    let cache = |name: &str, place: &str| format!("[cache.{name}]\n{place}\n{open}");
    let whole = cache("public", "hosts = [\"cache.example.org\"]");
    let below = cache("releases", "path = \"/releases\"");
    let warnings = |text: &str| loaded(text).warnings.join("\n");
    let shadowed = warnings(&(whole.clone() + &below));
    assert!(
        shadowed.contains("cache releases is not reached at cache.example.org/releases"),
        "{shadowed}"
    );
    let url = |url: &str| {
        let text = format!("public_url = \"{url}\"\n{PUBLIC}{whole}{below}");
        load_with(&text, &[], &[]).unwrap().warnings.join("\n")
    };
    assert!(url("https://cache.example.org:8443/x").contains("cache releases is not reached"));
    assert_eq!(url("https://other.example.org"), "");
    let both = "hosts = [\"cache.example.org\"]\npath = \"/releases\"";
    assert_eq!(warnings(&(whole + &cache("releases", both))), "");
    assert_eq!(warnings(&below), "");
    let everywhere = warnings(&cache("all", "path = \"\""));
    assert!(everywhere.contains("the cache without a name is never reached"), "{everywhere}");
}

#[test]
fn the_examples_of_the_guide_can_be_used_as_they_are() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/views.md");
    let page = std::fs::read_to_string(page).unwrap();
    let examples: Vec<&str> = page.split("```toml\n").skip(1).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        let loaded = load_with(example.split("```").next().unwrap(), &[], &[]).unwrap();
        assert_eq!(loaded.warnings, Vec::<String>::new());
    }
}

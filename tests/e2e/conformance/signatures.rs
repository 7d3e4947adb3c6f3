//! Checks C17 and C18: every signature that is served is one that clients accept.

use std::{fs, process::Command, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rns_testing::{Entry, FixtureStore, Scratch, Standard, Tree, http::Response, run};

use crate::support::{
    PUBLIC_KEY, SECRET_KEY, field, fields, is_installed, narinfo_of, serve, server,
};

/// A second key pair, made by a real Nix.
const SECOND_SECRET_KEY: &str = "second-2:A8tdmXHJJaVoWALODNPS/QrhZtDgsweC3MnA5OaKbSm7XRSAwGbLIGiDaqLzG5UOvsjASFyWSO0pDww3jfdDDA==";

/// The signed text, put together from the lines of the narinfo alone.
fn fingerprint(narinfo: &Response) -> String {
    let mut references: Vec<_> =
        field(narinfo, "References").unwrap_or_default().split(' ').collect();
    references.retain(|reference| !reference.is_empty());
    references.sort_unstable();
    let references: Vec<_> =
        references.iter().map(|reference| format!("/nix/store/{reference}")).collect();
    let value = |name| field(narinfo, name).unwrap();
    format!(
        "1;{};{};{};{}",
        value("StorePath"),
        value("NarHash"),
        value("NarSize"),
        references.join(",")
    )
}

/// Whether openssl finds the signature right.
fn verifies(public_key: &str, narinfo: &Response, signature: &str) -> bool {
    let (_, key) = public_key.split_once(':').unwrap();
    let (_, signature) = signature.split_once(':').unwrap();
    let scratch = Scratch::new();
    // An Ed25519 public key in DER is this and its 32 bytes.
    let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    der.extend(BASE64_STANDARD.decode(key).unwrap());
    let verdict = run(
        Command::new("openssl")
            .args(["pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey"])
            .arg(scratch.write("key", der))
            .arg("-sigfile")
            .arg(scratch.write("signature", BASE64_STANDARD.decode(signature).unwrap()))
            .arg("-in")
            .arg(scratch.write("message", fingerprint(narinfo))),
        Duration::from_secs(10),
    );
    verdict.status.success()
}

#[test]
fn c17_openssl_verifies_every_signature() {
    if !is_installed("openssl") {
        return;
    }
    let standard = Standard::new();
    let server = serve(&standard.store);
    for path in [&standard.tree, &standard.top, &standard.itself, &standard.special, &standard.blob]
    {
        let narinfo = server.get(&narinfo_of(path));
        let signatures = fields(&narinfo, "Sig");
        assert_eq!(signatures.len(), 1, "{}", narinfo.text());
        assert!(signatures[0].starts_with("test-1:"));
        assert!(verifies(PUBLIC_KEY, &narinfo, signatures[0]), "{}", narinfo.text());
    }
}

#[test]
fn c17_signatures_are_those_that_real_nix_made() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let signature = |path| field(&server.get(&narinfo_of(path)), "Sig").unwrap().to_owned();
    assert_eq!(
        signature(&standard.tree),
        "test-1:NuKJvtIjBrWWE/3+yQmdqauajehocXnzRUGD3b20uGbIRz9b79kIGlp/3PQsTu/D3Et1AeIbt8l8vMXp6qPABw=="
    );
    assert_eq!(
        signature(&standard.top),
        "test-1:2Mir/YS/CfsEfUa7bbxosNDw3ABDhS/U467xMRu2oVimWyvYSXm4qBYxb7RRVRuoQ4YKDoCLtkBppktWXxLJCA=="
    );
}

#[test]
fn c17_every_key_signs_once_beside_the_stored_signatures() {
    let foreign = format!("elsewhere-1:{}", BASE64_STANDARD.encode([7; 64]));
    let mut store = FixtureStore::new();
    let path =
        store.insert(Entry::new("x", Tree::file("x")).signature(&foreign).signature(&foreign));
    let server = server().store(&store).keys([SECRET_KEY, SECOND_SECRET_KEY]).start();
    let narinfo = server.get(&narinfo_of(&path));
    let mut names: Vec<_> =
        fields(&narinfo, "Sig").iter().map(|sig| sig.split_once(':').unwrap().0).collect();
    names.sort_unstable();
    assert_eq!(names, ["elsewhere-1", "second-2", "test-1"]);
    assert!(fields(&narinfo, "Sig").contains(&foreign.as_str()));
}

#[test]
fn c17_a_stored_signature_by_an_own_key_is_not_repeated() {
    let standard = Standard::new();
    // Stored in the database of the fixture, and made again by the server.
    let narinfo = serve(&standard.store).get(&narinfo_of(&standard.tree));
    assert_eq!(fields(&narinfo, "Sig").len(), 1);
}

#[test]
fn c17_policies_decide_what_is_signed() {
    let mut standard = Standard::new();
    let foreign = format!("elsewhere-1:{}", BASE64_STANDARD.encode([7; 64]));
    let stored = standard.store.insert(Entry::new("stored", Tree::file("s")).signature(&foreign));
    let names = |policy: &str, path| {
        let scratch = Scratch::new();
        let key = scratch.write("key", SECRET_KEY);
        fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let section = format!("[signing]\nkeys = [{key:?}]\npolicy = \"{policy}\"\n");
        let section = section
            + &format!(
                "signed_by = {:?}",
                if policy == "signed-by" { vec![PUBLIC_KEY] } else { vec![] }
            );
        let server = server().store(&standard.store).section(&section).start();
        let narinfo = server.get(&narinfo_of(path));
        narinfo.ok();
        let names = fields(&narinfo, "Sig")
            .into_iter()
            .map(|sig| sig.split_once(':').unwrap().0.to_owned());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("add", &stored), "elsewhere-1 test-1");
    assert_eq!(names("replace", &stored), "test-1");
    assert_eq!(names("keep", &stored), "elsewhere-1");
    assert_eq!(names("ultimate", &stored), "elsewhere-1");
    assert_eq!(names("ultimate", &standard.itself), "test-1");
    assert_eq!(names("signed-by", &stored), "elsewhere-1");
    assert_eq!(names("signed-by", &standard.tree), "test-1");
}

#[test]
fn c18_junk_in_the_database_is_not_served() {
    let good = format!("elsewhere-1:{}", BASE64_STANDARD.encode([7; 64]));
    let mut store = FixtureStore::new();
    let mut entry = Entry::new("x", Tree::file("x"));
    for junk in ["garbage", ":", "name:", ":AAAA", "k:not base64", "test-1:AAAA"] {
        entry = entry.signature(junk);
    }
    let path = store.insert(entry.signature(&good));
    let narinfo = serve(&store).get(&narinfo_of(&path));
    let signatures = fields(&narinfo, "Sig");
    assert_eq!(signatures.len(), 2, "{}", narinfo.text());
    for signature in signatures {
        let (name, base64) = signature.split_once(':').unwrap();
        assert!(!name.is_empty());
        assert_eq!(BASE64_STANDARD.decode(base64).unwrap().len(), 64);
    }
}

#[test]
fn signatures_of_other_algorithms_and_provenance_are_passed_on() {
    // Lengths of ECDSA over P-384 and of ML-DSA-65.
    let others = [("ecdsa-1", 96), ("ml-dsa-1", 3309)]
        .map(|(name, len)| format!("{name}:{}", BASE64_STANDARD.encode(vec![7; len])));
    let wrong = format!("test-1:{}", BASE64_STANDARD.encode([7; 64]));
    let mut store = FixtureStore::new();
    let entry = Entry::new("x", Tree::file("x")).signature(&others[0]).signature(&others[1]);
    let path = store.insert(entry.signature(&wrong));
    let server = server().store(&store).keys([SECRET_KEY]).start();
    let names = |narinfo: &Response| {
        let names = fields(narinfo, "Sig").into_iter().map(|sig| sig.split(':').next().unwrap());
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = server.get(&narinfo_of(&path));
    assert_eq!(names(&before), ["ecdsa-1", "ml-dsa-1", "test-1"], "{}", before.text());
    assert!(fields(&before, "Sig").contains(&others[1].as_str()));
    assert_eq!(field(&before, "Provenance"), None);
    // A Nix that records provenance adds the column to a store that is in use.
    store.execute("alter table ValidPaths add column provenance text", []);
    let provenance = r#"{"type":"build","next":null}"#;
    store.execute("update ValidPaths set provenance = ?", [provenance]);
    let after = server.get(&narinfo_of(&path));
    assert_eq!(field(&after, "Provenance"), Some(provenance), "{}", after.text());
    let lines: Vec<_> = after.text().lines().map(str::to_owned).collect();
    assert!(lines.last().unwrap().starts_with("Provenance: "));
}

#[test]
fn stored_signatures_by_an_own_name_must_be_right_under_every_policy() {
    let mut store = FixtureStore::new();
    let wrong = format!("test-1:{}", BASE64_STANDARD.encode([7; 64]));
    let path = store.insert(Entry::new("x", Tree::file("x")).signature(&wrong));
    let scratch = Scratch::new();
    let key = scratch.write("key", SECRET_KEY);
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let section = format!("[signing]\nkeys = [{key:?}]\npolicy = \"ultimate\"\n");
    let narinfo = server().store(&store).section(&section).start().get(&narinfo_of(&path));
    assert_eq!(fields(&narinfo, "Sig"), Vec::<&str>::new());
}

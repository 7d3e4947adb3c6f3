//! Narinfos that are wrong in the ways of `tests/data/narinfo-mutations.txt`, pushed.

use std::collections::BTreeMap;

use rns_formats::{Compression, NarInfo, SecretKey, StoreDir};
use rns_testing::Standard;

use super::{Pushable, packed, text_of};
use crate::support::{SECRET_KEY, assert_refusal, field, narinfo_of};

/// The fate of a narinfo that is pushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Taken,
    Refused,
}

use Outcome::{Refused, Taken};

fn mutations(narinfo: &NarInfo) -> BTreeMap<&'static str, (String, Outcome)> {
    let base = text_of(narinfo);
    let line = |field: &str| {
        base.lines().find(|line| line.starts_with(&format!("{field}: "))).unwrap().to_owned()
    };
    let value = |field: &str, with: &str| base.replace(&line(field), &format!("{field}: {with}"));
    let without = |fields: &[&str]| -> String {
        let kept = base.lines().filter(|line| !fields.contains(&line.split(':').next().unwrap()));
        kept.map(|line| format!("{line}\n")).collect()
    };
    let more = |line: &str| format!("{base}{line}\n");
    let (hash, size) = (narinfo.nar_hash, narinfo.nar_size.to_string());
    let wrong = format!("sha256:{}", "0".repeat(52));
    let url = &narinfo.url;
    let unsigned = without(&["CA", "Sig"]);
    BTreeMap::from([
        ("base", (base.clone(), Taken)),
        ("no FileHash/FileSize", (without(&["FileHash", "FileSize"]), Taken)),
        // Without the line it is bzip2, which this NAR is not.
        ("no Compression", (without(&["Compression"]), Refused)),
        ("no References line", (without(&["References"]), Refused)),
        ("no trailing newline", (base.trim_end().to_owned(), Refused)),
        ("CRLF", (base.replace('\n', "\r\n"), Refused)),
        ("NarHash SRI", (value("NarHash", &hash.to_sri()), Taken)),
        ("NarHash hex", (value("NarHash", &format!("sha256:{}", hash.to_hex())), Taken)),
        ("NarHash base64", (value("NarHash", &hash.to_sri().replace("sha256-", "sha256:")), Taken)),
        ("NarHash bare nix32", (value("NarHash", &hash.to_nix32()), Refused)),
        ("NarSize 0", (value("NarSize", "0"), Refused)),
        ("no NarSize", (without(&["NarSize"]), Refused)),
        ("NarSize wrong", (value("NarSize", "177"), Refused)),
        ("no URL", (without(&["URL"]), Refused)),
        ("wrong FileHash", (value("FileHash", &wrong), Refused)),
        ("wrong FileSize", (value("FileSize", "1"), Refused)),
        ("unknown field", (more("Unknown: value"), Taken)),
        ("blank line", (base.replace("NarHash", "\nNarHash"), Refused)),
        ("dup References", (more(&line("References")), Refused)),
        ("dup CA", (more(&line("CA")), Refused)),
        ("Deriver unknown-deriver", (more("Deriver: unknown-deriver"), Taken)),
        ("Deriver empty", (more("Deriver: "), Refused)),
        (
            "Deriver fullpath",
            (more("Deriver: /nix/store/kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-dep.drv"), Refused),
        ),
        (
            "References fullpath",
            (value("References", &format!("/nix/store/{}", narinfo.references[0])), Refused),
        ),
        (
            "Empty-refs no space (References:\\n)",
            (base.replace(&line("References"), "References:"), Refused),
        ),
        ("System field", (more("System: x86_64-linux"), Taken)),
        // The server signs a path that it has verified.
        ("no Sig no CA", (unsigned.clone(), Taken)),
        ("no CA, sig ok", (without(&["CA"]), Taken)),
        ("no Sig, CA ok", (without(&["Sig"]), Taken)),
        ("bad CA", (value("CA", &format!("text:{wrong}")), Refused)),
        // Signatures by the name of its own key that are wrong are left out.
        ("sig corrupted, no CA", (format!("{unsigned}Sig: test-1:{}==\n", "A".repeat(86)), Taken)),
        ("sig without colon, no CA", (format!("{unsigned}Sig: garbage\n"), Refused)),
        ("sig short length trusted key", (value("Sig", "test-1:AAAA"), Taken)),
        ("StorePath other name", (base.replace("n3-top.txt", "n3-other.txt"), Refused)),
        ("absolute URL", (value("URL", &format!("http://cache.example.org/{url}")), Refused)),
        ("URL leading slash", (value("URL", &format!("/{url}")), Refused)),
        ("URL query", (value("URL", &format!("{url}?a=b")), Refused)),
        ("Compression unknown", (value("Compression", "unknown"), Refused)),
        ("key lower case", (base.replace("NarHash:", "narhash:"), Refused)),
        (
            "no space after colon in NarSize",
            (base.replace(&line("NarSize"), &format!("NarSize:{size}")), Refused),
        ),
        ("double space", (value("NarSize", &format!(" {size}")), Refused)),
        ("negative", (value("NarSize", &format!("-{size}")), Refused)),
    ])
}

#[test]
fn a_malformed_narinfo_is_refused_and_an_odd_one_is_stored_in_its_usual_form() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    cache.push(&standard, &standard.dep);
    let path = &standard.top;
    let (mut narinfo, file) =
        packed(standard.store.info(path), &standard.store.nar(path), Compression::Zstd);
    let key = SecretKey::parse(SECRET_KEY).unwrap();
    narinfo.signatures = vec![key.sign(narinfo.fingerprint(&StoreDir::default()))];
    let remover = crate::support::private::create(&cache.tokens, "gc", &["--allow", "delete"]);
    let delete = || {
        let request = rns_testing::http::Request::new("DELETE", narinfo_of(path));
        let request = crate::support::private::with_token(request, &remover);
        cache.server.connect().send(&request).status()
    };
    crate::support::eventually(|| delete() == 404);
    let mut mutations = mutations(&narinfo);
    for report in include_str!("../../data/narinfo-mutations.txt").lines() {
        let (name, _) = report[5..].split_once(" :: ").unwrap();
        let (text, outcome) =
            mutations.remove(name).unwrap_or_else(|| panic!("{name} is not pushed"));
        assert_eq!(cache.put(&format!("/{}", narinfo.url), file.clone()).status(), 201, "{name}");
        let answer = cache.put(&narinfo_of(path), text);
        let read = cache.server.get(&narinfo_of(path));
        match outcome {
            Refused => {
                assert!((400..500).contains(&answer.status()), "{name}: {answer:?}");
                assert_refusal(&answer, answer.status());
                assert_eq!(read.status(), 404, "{name}");
            }
            Taken => {
                assert_eq!(answer.status(), 201, "{name}: {answer:?}");
                assert_eq!(field(&read, "NarHash"), Some(narinfo.nar_hash.to_string().as_str()));
                assert!(field(&read, "Sig").unwrap().starts_with("test-1:"), "{name}");
                assert_eq!(field(&read, "URL"), Some(narinfo.url.as_str()), "{name}");
                let file = cache.directory.join(narinfo_of(path).trim_start_matches('/'));
                let stored = std::fs::read_to_string(file).unwrap();
                assert!(NarInfo::parse(&stored, &StoreDir::default()).is_ok(), "{name}: {stored}");
                assert_eq!(stored.contains("Unknown: value"), name == "unknown field");
                assert_eq!(delete(), 200, "{name}");
            }
        }
    }
    assert!(mutations.is_empty(), "{mutations:?}");
}

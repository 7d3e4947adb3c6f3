//! The narinfos in `tests/data/narinfo-mutations.txt`, with the verdict of Nix 2.8 on each when it
//! copied the path from a cache that offered it.

use std::collections::BTreeMap;

use rns_formats::{KeyName, NarInfo, StoreDir};

use crate::vectors::{Signed, top};

/// The fate of a mutation here.
enum Outcome {
    /// The parser decides, as Nix 2.8 did.
    AsNix,
    /// The parser refuses a text that Nix 2.8 still accepted and later versions do not.
    RefusedByLaterNix,
    /// The parser accepts; Nix refused later, for the fault that the predicate finds.
    RefusedOnImport(fn(&NarInfo, &Signed) -> bool),
}

use Outcome::{AsNix, RefusedByLaterNix, RefusedOnImport};

struct Mutation {
    text: String,
    outcome: Outcome,
}

fn mutations(base: &str) -> BTreeMap<&'static str, Mutation> {
    let mut all = BTreeMap::new();
    let mut add = |name, text, outcome| {
        assert!(name == "base" || text != base, "{name} changes nothing");
        assert!(all.insert(name, Mutation { text, outcome }).is_none(), "{name} is given twice");
    };
    let without = |fields: &[&str]| -> String {
        let field = |line: &str| line.split(':').next().unwrap().to_owned();
        let kept = base.lines().filter(|line| !fields.contains(&field(line).as_str()));
        kept.map(|line| format!("{line}\n")).collect()
    };
    let line = |field: &str| -> &str {
        base.lines().find(|line| line.starts_with(&format!("{field}: "))).unwrap()
    };
    let replaced = |field: &str, with: &str| base.replace(line(field), with);
    let value = |field: &str, with: &str| replaced(field, &format!("{field}: {with}"));

    let narinfo = top().narinfo;
    let base64 = narinfo.nar_hash.to_sri().replace("sha256-", "sha256:");
    let wrong_hash = format!("sha256:{}", "0".repeat(52));

    add("base", base.to_owned(), AsNix);
    add("no FileHash/FileSize", without(&["FileHash", "FileSize"]), AsNix);
    add("no Compression", without(&["Compression"]), AsNix);
    let unproven = |info: &NarInfo, base: &Signed| !is_signed(info, base) && !is_addressed(info);
    add("no References line", without(&["References"]), RefusedOnImport(unproven));
    add("no trailing newline", base.trim_end().to_owned(), AsNix);
    add("CRLF", base.replace('\n', "\r\n"), AsNix);
    add("NarHash SRI", value("NarHash", &narinfo.nar_hash.to_sri()), AsNix);
    add("NarHash hex", value("NarHash", &format!("sha256:{}", narinfo.nar_hash.to_hex())), AsNix);
    add("NarHash base64", value("NarHash", &base64), AsNix);
    add("NarHash bare nix32", value("NarHash", &narinfo.nar_hash.to_nix32()), AsNix);
    add("NarSize 0", value("NarSize", "0"), AsNix);
    add("no NarSize", without(&["NarSize"]), AsNix);
    let wrong_size = |info: &NarInfo, base: &Signed| info.nar_size != base.narinfo.nar_size;
    add("NarSize wrong", value("NarSize", "177"), RefusedOnImport(wrong_size));
    add("no URL", without(&["URL"]), AsNix);
    add("wrong FileHash", value("FileHash", &wrong_hash), AsNix);
    add("wrong FileSize", value("FileSize", "1"), AsNix);
    add("unknown field", format!("{base}Unknown: value\n"), AsNix);
    add("blank line", replaced("NarHash", &format!("\n{}", line("NarHash"))), AsNix);
    add("dup References", format!("{base}{}\n", line("References")), AsNix);
    add("dup CA", format!("{base}{}\n", line("CA")), AsNix);
    add("Deriver unknown-deriver", format!("{base}Deriver: unknown-deriver\n"), AsNix);
    add("Deriver empty", format!("{base}Deriver: \n"), AsNix);
    let deriver = "/nix/store/kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-dep.drv";
    add("Deriver fullpath", format!("{base}Deriver: {deriver}\n"), AsNix);
    let full_path = format!("/nix/store/{}", narinfo.references[0]);
    add("References fullpath", value("References", &full_path), AsNix);
    let name = "Empty-refs no space (References:\\n)";
    add(name, replaced("References", "References:"), AsNix);
    add("System field", format!("{base}System: x86_64-linux\n"), AsNix);
    add("no Sig no CA", without(&["Sig", "CA"]), RefusedOnImport(unproven));
    add("no CA, sig ok", without(&["CA"]), AsNix);
    add("no Sig, CA ok", without(&["Sig"]), AsNix);
    let false_claim = |info: &NarInfo, _: &Signed| info.ca.is_some() && !is_addressed(info);
    let bad_ca = format!("text:{wrong_hash}");
    add("bad CA", value("CA", &bad_ca), RefusedOnImport(false_claim));
    let corrupted = without(&["CA"]).replace("test-1:2Mir", "test-1:3Mir");
    add("sig corrupted, no CA", corrupted, RefusedOnImport(unproven));
    let no_colon = without(&["CA", "Sig"]);
    add("sig without colon, no CA", format!("{no_colon}Sig: garbage\n"), RefusedByLaterNix);
    let short = "test-1:AAAA";
    let wrong_length = |info: &NarInfo, base: &Signed| {
        let by_base = |key: &KeyName| key == base.public.name();
        info.signatures.iter().any(|sig| by_base(&sig.key) && sig.bytes.len() != 64)
    };
    add("sig short length trusted key", value("Sig", short), RefusedOnImport(wrong_length));
    let other_name = base.replace("n3-top.txt", "n3-other.txt");
    let not_requested = |info: &NarInfo, base: &Signed| {
        info.store_path.hash_part() == base.narinfo.store_path.hash_part()
            && info.store_path != base.narinfo.store_path
    };
    add("StorePath other name", other_name, RefusedOnImport(not_requested));
    let url = &narinfo.url;
    add("absolute URL", value("URL", &format!("http://cache.example.org/{url}")), AsNix);
    add("URL leading slash", value("URL", &format!("/{url}")), AsNix);
    add("URL query", value("URL", &format!("{url}?a=b")), AsNix);
    add("Compression unknown", value("Compression", "unknown"), RefusedByLaterNix);
    add("key lower case", base.replace("NarHash:", "narhash:"), AsNix);
    let eats_a_digit = |info: &NarInfo, _: &Signed| info.nar_size == 76;
    let name = "no space after colon in NarSize";
    add(name, replaced("NarSize", "NarSize:176"), RefusedOnImport(eats_a_digit));
    add("double space", value("NarSize", " 176"), AsNix);
    add("negative", value("NarSize", "-176"), AsNix);
    all
}

fn is_signed(info: &NarInfo, base: &Signed) -> bool {
    let fingerprint = info.fingerprint(&StoreDir::default());
    info.signatures.iter().any(|signature| base.public.verify(&fingerprint, signature))
}

fn is_addressed(info: &NarInfo) -> bool {
    let dir = StoreDir::default();
    info.ca.is_some_and(|ca| ca.is_address_of(&dir, &info.store_path, &info.references))
}

#[test]
fn mutated_narinfos_are_accepted_and_refused_as_by_nix() {
    let base = top();
    let mut mutations = mutations(&base.text);
    for report in include_str!("../../../../tests/data/narinfo-mutations.txt").lines() {
        let (verdict, rest) = report.split_at(5);
        let (name, _) = rest.split_once(" :: ").unwrap();
        let accepted_by_nix = verdict.trim() == "OK";
        let Mutation { text, outcome } =
            mutations.remove(name).unwrap_or_else(|| panic!("{name} is not reconstructed"));
        let parsed = NarInfo::parse(&text, &StoreDir::default());
        match outcome {
            AsNix => assert_eq!(parsed.is_ok(), accepted_by_nix, "{name}: {parsed:?}"),
            RefusedByLaterNix => assert!(accepted_by_nix && parsed.is_err(), "{name}"),
            RefusedOnImport(objection) => {
                let info = parsed.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(!accepted_by_nix && objection(&info, &base), "{name}");
            }
        }
    }
    assert_eq!(mutations.into_keys().collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn accepted_mutations_still_describe_the_same_path() {
    let base = top();
    let mut mutations = mutations(&base.text);
    for name in ["NarHash SRI", "NarHash hex", "NarHash base64", "System field", "no CA, sig ok"] {
        let mutation = mutations.remove(name).unwrap();
        let info = NarInfo::parse(&mutation.text, &StoreDir::default()).unwrap();
        assert!(is_signed(&info, &base), "{name}");
    }
    let addressed = mutations.remove("no Sig, CA ok").unwrap();
    let info = NarInfo::parse(&addressed.text, &StoreDir::default()).unwrap();
    assert!(is_addressed(&info) && info.signatures.is_empty());
}

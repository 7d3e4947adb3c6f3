use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, SystemTime},
};

use proptest::prelude::*;

use super::*;

fn secret(number: u8) -> TokenSecret {
    TokenSecret::from_random(&[number; 32])
}

fn row(name: &str, number: u8, rest: &str) -> String {
    format!("{name} {} allow=read {rest}\n", secret(number).digest())
}

fn complaint(text: &str) -> String {
    parse_tokens(text).unwrap_err().to_string()
}

#[test]
fn every_token_of_a_file_is_found_and_no_other() {
    let text: String = (1..=200).map(|number| row(&format!("t{number}"), number, "")).collect();
    let tokens = Tokens::new(parse_tokens(&text).unwrap());
    let find = |number| {
        let found = tokens.find(secret(number).as_str().as_bytes(), SystemTime::now());
        found.map(|known| known.token.name.to_string())
    };
    for number in 1..=200 {
        assert_eq!(find(number), Ok(format!("t{number}")));
    }
    assert_eq!(find(201), Err(WrongToken::Unknown));
}

#[test]
fn a_token_that_has_ended_is_told_from_one_that_never_was() {
    let text = row("old", 1, "expires=2027-02-19T10:00:00Z");
    let tokens = Tokens::new(parse_tokens(&text).unwrap());
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_803_031_200);
    let secret = secret(1);
    let find =
        |now| tokens.find(secret.as_str().as_bytes(), now).map(|known| known.token.name.as_str());
    assert_eq!(find(end - Duration::from_secs(1)), Ok("old"));
    let error = find(end).unwrap_err();
    assert_eq!(error.to_string(), "the token old has expired");
}

#[test]
fn all_problems_are_named_with_their_lines() {
    let text = format!(
        "# tokens\n{}\nci\n{}{}{}nobody sha256:0\n",
        row("ci", 1, ""),
        row("ci", 2, ""),
        row("other", 1, ""),
        row("fine", 3, "expires=soon"),
    );
    let said = complaint(&text);
    for expected in [
        "line 4: expected `sha256:`",
        "line 5: the name ci is taken by line 2",
        "line 6: it is the same token as in line 2",
        "line 7: expires: expected a time",
        "line 8: expected `sha256:`",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let said = complaint(&"x\n".repeat(25));
    assert!(said.contains("line 10:") && said.ends_with("; and 15 more"), "{said}");
}

#[test]
fn a_file_that_is_cut_gives_nobody_more_than_the_whole_one() {
    let token = Token::parse(&row("ci", 1, "expires=2027-02-19T10:00:00Z paths=hello-*,x"));
    let ours = format!("{}\n", token.unwrap().unwrap());
    // As people write them, with the required fields in front.
    for line in [ours, row("ci", 1, "expires=2027-02-19T10:00:00Z paths=hello-*,x")] {
        let whole = parse_tokens(&line).unwrap();
        assert_eq!((whole.len(), whole[0].paths.len()), (1, 2));
        for end in 1..line.len() {
            let cut = line.get(..end).unwrap();
            assert!(parse_tokens(cut).is_err(), "{cut}");
        }
    }
    let line = row("ci", 1, "");
    assert!(complaint(line.trim_end()).contains("line 1: it does not end with a newline"));
    assert_eq!(parse_tokens(&format!("{line}# no newline here")).unwrap().len(), 1);
    // A tool that appends pieces of a line: the part before `allow` is no line, with a newline or without.
    let ours = Token::parse(&row("ci", 1, "paths=x")).unwrap().unwrap().to_string();
    let (before, _) = ours.split_once(" allow=").unwrap();
    assert!(before.ends_with(" paths=x expires=never"), "{before}");
    assert!(complaint(&format!("{before}\n")).contains("no permission"));
}

#[test]
fn what_has_no_bound_is_refused() {
    let many: String = (0..10_001)
        .map(|n: u32| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&n.to_le_bytes());
            format!("t{n} {} allow=read\n", TokenSecret::from_random(&bytes).digest())
        })
        .collect();
    assert!(complaint(&many).contains("more than 10000 tokens"));
    let choices: String = (1..=65)
        .map(|number| row(&format!("t{number}"), number, &format!("paths=p{number}")))
        .collect();
    assert!(complaint(&choices).contains("more than 64 different paths="));
}

#[test]
fn revoking_leaves_everything_else_as_it_was() {
    let name = TokenName::parse("ci").unwrap();
    let text = format!(
        "# ci is for builds\r\n\n{}  {}broken\n{}",
        row("a", 1, ""),
        row("ci", 2, ""),
        row("ci2", 3, "")
    );
    let rest = without_token(&text, &name).unwrap();
    assert_eq!(
        rest,
        format!("# ci is for builds\r\n\n{}broken\n{}", row("a", 1, ""), row("ci2", 3, ""))
    );
    assert_eq!(without_token(&rest, &name), None);
    assert_eq!(without_token("x\nci", &name).as_deref(), Some("x\n"));
}

#[test]
fn a_file_is_read_unless_it_can_be_written_by_everybody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    let said = |path: &Path| Tokens::load(path).map_err(|error| error.to_string());
    let missing = said(&path).unwrap_err();
    assert!(
        missing.contains("token create --file") && missing.contains("tokens: it does"),
        "{missing}"
    );
    fs::write(&path, row("ci", 1, "")).unwrap();
    for mode in [0o400, 0o640, 0o644] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(said(&path).unwrap().len(), 1);
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(said(&path).unwrap_err().contains("`chmod o-w /"));
    assert!(said(dir.path()).unwrap_err().contains("not a regular file"));
    fs::write(&path, [0xff]).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(said(&path).unwrap_err().contains("no text"));
    fs::write(&path, "#".repeat((1 << 20) + 1)).unwrap();
    assert!(said(&path).unwrap_err().contains("more than 1048576 bytes"));
}

proptest! {
    #[test]
    fn whatever_is_around_a_token_in_the_file_it_is_not_shown(
        before in "[a-z=:, #]{0,12}",
        bytes in any::<[u8; 32]>(),
        after in "[a-z=:, ]{0,12}",
    ) {
        let secret = TokenSecret::from_random(&bytes);
        let digits = secret.as_str().strip_prefix("rns_").unwrap();
        for middle in [secret.as_str(), digits] {
            if let Err(problem) = parse_tokens(&format!("{before}{middle}{after}")) {
                let said = format!("{problem} {problem:?}");
                prop_assert!(!said.contains(digits.get(..12).unwrap()), "{}", said);
            }
        }
    }

    #[test]
    fn what_is_accepted_is_written_as_it_was_meant(line in "(ci|#|) ?(sha256:[0-9a-f]{64})?( (allow|expires|paths)=[a-z,*?-]{0,8}){0,3}") {
        if let Ok(Some(token)) = Token::parse(&line) {
            let again = Token::parse(&token.to_string()).unwrap().unwrap();
            prop_assert_eq!(again.to_string(), token.to_string());
        }
    }
}

#[test]
fn a_verified_header_counts_until_its_token_ends_or_the_file_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    let secret = TokenSecret::from_random(&[7; 32]);
    let line = format!("ci {} allow=read expires=2027-01-01T00:00:00Z\n", secret.digest());
    fs::write(&path, &line).unwrap();
    let tokens = Tokens::load(&path).unwrap();
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let (before, behind) = (at(1_798_761_599), at(1_798_761_600));
    assert!(tokens.verified(b"Bearer x", before).is_none());
    assert!(tokens.verify(b"rns_x", b"Bearer x", before).is_err());
    assert!(tokens.verified(b"Bearer x", before).is_none());
    tokens.verify(secret.as_str().as_bytes(), b"Bearer x", before).unwrap();
    assert_eq!(tokens.verified(b"Bearer x", before).unwrap().token.name.as_str(), "ci");
    assert!(tokens.verified(b"Bearer x ", before).is_none());
    assert!(tokens.verified(b"Bearer x", behind).is_none());
    assert!(Tokens::load(&path).unwrap().verified(b"Bearer x", before).is_none());
    assert!(!format!("{tokens:?}").contains("Bearer"));
}

//! `key generate` and `key public`, whose texts are Nix's, and `key fingerprint`.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    time::Duration,
};

use rns_formats::SecretKey;
use rns_testing::{Nix, Scratch, run};

use crate::{PUBLIC, SECRET, answer, code, program, write_key};

/// Runs a command with a text on its standard input.
pub(crate) fn fed(command: &mut Command, text: &str) -> (i32, String, String) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_generated_key_is_its_owners_alone_and_never_overwritten() {
    let scratch = Scratch::new();
    let file = scratch.join("secret");
    let arguments = ["key", "generate", "host-1", "--output", file.to_str().unwrap()];
    let made = answer(arguments).success();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    let key = SecretKey::parse(&text).unwrap();
    assert_eq!(made.text(), format!("{}\n", key.public_key()));
    assert_eq!(key.name().as_str(), "host-1");

    let again = answer(arguments);
    assert_eq!(code(&again), 2);
    let stays = format!("{} is there already, and stays", file.display());
    assert!(again.stderr.contains(&stays), "{}", again.stderr);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn without_a_file_the_secret_is_all_of_standard_output() {
    let made = answer(["key", "generate", "host-1"]).success();
    let key = SecretKey::parse(&made.text()).unwrap();
    assert!(!made.text().ends_with('\n'), "Nix writes no newline");
    let public = key.public_key();
    assert_eq!(made.stderr, format!("public key: {public}\nfingerprint: {}", public.fingerprint()));
    let other = answer(["key", "generate", "host-1"]).success();
    assert_ne!(other.text(), made.text());
}

#[test]
fn the_public_key_is_read_from_files_and_from_standard_input() {
    let scratch = Scratch::new();
    let file = scratch.join("secret");
    write_key(&file, SECRET);
    let name = file.to_str().unwrap();
    assert_eq!(answer(["key", "public", name]).success().text(), format!("{PUBLIC}\n"));
    let (status, said, _) = fed(program().args(["key", "public"]), &format!("{SECRET}\n"));
    assert_eq!((status, said), (0, format!("{PUBLIC}\n")));
    let (_, said, _) = fed(program().args(["key", "public", name, "-"]), SECRET);
    assert_eq!(said, format!("{PUBLIC}\n{PUBLIC}\n"));
}

#[test]
fn the_fingerprint_is_that_of_the_public_key_by_whatever_name() {
    let scratch = Scratch::new();
    let secret = scratch.join("secret");
    write_key(&secret, SECRET);
    let name = secret.to_str().unwrap();
    let fingerprint = |file: &str| answer(["key", "fingerprint", file]).success().text();
    let own = fingerprint(name);
    let (key, sum) = own.split_once(' ').unwrap();
    assert_eq!(key, PUBLIC.split(':').next().unwrap());
    // As `sha256sum` and `base64` make it of the 32 bytes.
    let script = "cut -d: -f2 | base64 -d | openssl dgst -sha256 -binary | base64";
    let (status, made, _) = fed(Command::new("sh").args(["-c", script]), &format!("{PUBLIC}\n"));
    if status == 0 && !made.trim().is_empty() {
        assert_eq!(sum.trim_end(), format!("sha256-{}", made.trim_end()));
    }
    let renamed = PUBLIC.replace(key, "other-1");
    let public = scratch.write("public", format!("{PUBLIC}\n\n{renamed}\n"));
    let both = format!("{own}other-1 {sum}");
    assert_eq!(fingerprint(public.to_str().unwrap()), both);
    let (status, said, _) = fed(program().args(["key", "fingerprint"]), &format!("{SECRET}\n"));
    assert_eq!((status, said), (0, own));
}

#[test]
fn what_is_no_key_is_refused_without_showing_it() {
    for name in ["", "a:b", "a b"] {
        let refused = answer(["key", "generate", name]);
        assert_eq!((code(&refused), refused.text().as_str()), (2, ""), "{name}");
    }
    let half = SECRET.get(..60).unwrap();
    let (status, said, error) = fed(program().args(["key", "public"]), half);
    assert_eq!((status, said.as_str()), (2, ""));
    assert!(error.contains("standard input is not a secret key"), "{error}");
    assert!(!error.contains("TxYr32PP"), "{error}");
    for text in [half, "", "\n"] {
        let (status, said, error) = fed(program().args(["key", "fingerprint"]), text);
        assert_eq!((status, said.as_str()), (2, ""));
        assert!(error.contains("standard input holds"), "{error}");
        assert!(!error.contains("TxYr32PP"), "{error}");
    }
    let missing = answer(["key", "public", "/nonexistent/key"]);
    assert_eq!(code(&missing), 2);
    assert!(missing.stderr.contains("/nonexistent/key"), "{}", missing.stderr);
}

#[test]
fn keys_go_to_and_fro_between_us_and_nix() {
    let Some(nix) = Nix::v2_34() else { return };
    let client = nix.client();
    let ours = answer(["key", "generate", "host-1"]).success();
    let public = SecretKey::parse(&ours.text()).unwrap().public_key().to_string();
    let mut convert = client.without_store("nix");
    let (status, said, error) =
        fed(convert.args(["key", "convert-secret-to-public"]), &ours.text());
    assert_eq!((status, said), (0, public), "{error}");

    let mut generate = client.without_store("nix");
    generate.args(["key", "generate-secret", "--key-name", "nix-1"]);
    let theirs = run(&mut generate, Duration::from_secs(120)).success().text();
    let mut convert = client.without_store("nix");
    let (_, public, _) = fed(convert.args(["key", "convert-secret-to-public"]), &theirs);
    let (status, said, error) = fed(program().args(["key", "public"]), &theirs);
    assert_eq!((status, said), (0, format!("{public}\n")), "{error}");
}

//! Completions, manual pages, the documentation, and readers that leave early.

use std::{
    fs,
    io::Read as _,
    process::{Command, Stdio},
    time::Duration,
};

use rns_testing::{Scratch, run};

use crate::{answer, code, program};

#[test]
fn bash_understands_the_completions_and_they_know_the_commands() {
    let scratch = Scratch::new();
    let script = answer(["completions", "bash"]).success().text();
    let file = scratch.write("completions.bash", &script);
    let question = format!(
        "source {}; f=$(complete -p rust-nix-serve); f=${{f##*-F }}; COMP_WORDS=(rust-nix-serve che); \
         COMP_CWORD=1; ${{f%% *}} rust-nix-serve che rust-nix-serve; echo \"${{COMPREPLY[@]}}\"",
        file.display()
    );
    let completed =
        run(Command::new("bash").args(["-c", &question]), Duration::from_secs(120)).success();
    assert_eq!(completed.text().trim(), "check-config");
    for shell in ["fish", "zsh"] {
        assert!(
            answer(["completions", shell]).success().text().contains("check-config"),
            "{shell}"
        );
    }
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let scratch = Scratch::new();
    let directory = scratch.join("man");
    let made = answer(["man", directory.to_str().unwrap()]).success();
    assert_eq!(made.text(), "");
    for page in [
        "",
        "-serve",
        "-key-generate",
        "-key-public",
        "-token-create",
        "-token-check",
        "-check-config",
        "-config-show",
        "-ls",
        "-cat",
        "-dump",
    ] {
        let text = fs::read_to_string(directory.join(format!("rust-nix-serve{page}.1"))).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
    let main = answer(["man"]).success().text();
    assert!(main.contains("check\\-config") && main.contains("RUST_NIX_SERVE_CONFIG"), "{main}");
}

#[test]
fn the_reference_in_the_documentation_is_what_the_program_prints() {
    let page = answer(["docs", "configuration"]).success().text();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    assert!(
        fs::read_to_string(file).unwrap() == page,
        "stale: cargo run -- docs configuration > docs/configuration.md"
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child = program()
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // More than a pipe holds is to come, and the reader is gone.
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[test]
fn wrong_arguments_are_an_error_and_questions_are_not() {
    assert_eq!(code(&answer(["--no-such-flag"])), 2);
    assert_eq!(code(&answer(["no-such-command"])), 2);
    assert_eq!(code(&answer(["ls"])), 2);
    assert_eq!(code(&answer(["--help"])), 0);
    let version = answer(["--version"]).success().text();
    assert_eq!(version, format!("rust-nix-serve {}\n", env!("CARGO_PKG_VERSION")));
}

//! The blocks in the documents work as they stand.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use rns_testing::{Scratch, run};

/// A fenced block of a document.
pub(crate) struct Block {
    place: String,
    pub(crate) language: String,
    pub(crate) text: String,
}

pub(crate) fn project() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Every document and its text.
pub(crate) fn documents() -> Vec<(PathBuf, String)> {
    let markdown = |folder: &str| {
        let entries = fs::read_dir(project().join(folder)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"))
    };
    let paths = ["", "docs", "docs/decisions"].into_iter().flat_map(markdown);
    paths.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The fenced blocks of a document.
pub(crate) fn blocks(name: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in (1..).zip(text.lines()) {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                let place = format!("{name}:{number}");
                open = Some(Block { place, language: language.to_owned(), text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{name}: a block does not end");
    blocks
}

pub(crate) fn blocks_of(language: &str) -> Vec<Block> {
    let all =
        documents().into_iter().flat_map(|(path, text)| blocks(&path.to_string_lossy(), &text));
    all.filter(|block| block.language == language).collect()
}

#[test]
fn shell_blocks_are_commands_without_a_prompt() {
    let blocks = blocks_of("sh");
    assert!(!blocks.is_empty());
    for Block { place, text, .. } in blocks {
        let scratch = Scratch::new();
        let file = scratch.write("block", &text);
        run(Command::new("bash").arg("-n").arg(file), Duration::from_secs(20)).success();
        for line in text.lines() {
            assert!(!line.starts_with("$ ") && !line.starts_with("# "), "{place}: {line}");
            // Without a here-document it would wait for more, or take the lines that follow.
            assert!(!line.contains("cat >") || line.contains("<<"), "{place}: {line}");
        }
    }
}

#[test]
fn configurations_are_accepted() {
    let blocks = blocks_of("toml");
    assert!(!blocks.is_empty());
    for Block { place, text, .. } in blocks {
        let scratch = Scratch::new();
        let file = scratch.write("config.toml", &text);
        let mut program = Command::new(env!("CARGO_BIN_EXE_rust-nix-serve"));
        program.env_clear().args(["check-config", "--skip-files"]).arg(file);
        let checked = run(&mut program, Duration::from_secs(20));
        assert!(checked.status.success(), "{place}: {}", checked.stderr);
        assert!(!checked.stderr.contains("warning"), "{place}: {}", checked.stderr);
    }
}

#[test]
fn one_domain_stands_for_that_of_the_reader() {
    for (path, text) in documents() {
        for other in ["example.com", "example.net"] {
            assert!(!text.contains(other), "{}: write example.org", path.display());
        }
    }
}

//! Lines of the documents end at 100.

use std::fs;

use super::documents::documents;

/// Where lines end. A heading and a row of a table are one line.
const WIDTH: usize = 100;

/// Pages whose lines are those of a program, whose own text is broken where it is written.
const WRITTEN_BY_NIX: &str = "nixos-options.md";

/// The collected words of a paragraph or an item of a list.
#[derive(Default)]
struct Paragraph<'a>(Vec<&'a str>);

impl Paragraph<'_> {
    /// Adds it to the text, anew if a line is too long, and forgets it.
    fn finish(&mut self, text: &mut String) {
        let lines = std::mem::take(&mut self.0);
        if lines.iter().all(|line| line.chars().count() <= WIDTH) {
            lines.iter().for_each(|line| text.extend([line, "\n"]));
            return;
        }
        let margin = margin(lines[0]);
        let (first, _) = lines[0].split_at(margin);
        text.push_str(first);
        let mut width = margin;
        let rest = std::iter::once(&lines[0][margin..]).chain(lines[1..].iter().copied());
        for (at, word) in rest.flat_map(str::split_whitespace).enumerate() {
            let length = word.chars().count();
            // At the beginning of a line some words mean something else.
            let stays = is_marker(word) || word.starts_with('#') || word.starts_with('|');
            if at > 0 && width + 1 + length > WIDTH && !stays {
                text.extend(["\n", &" ".repeat(margin)]);
                width = margin;
            } else if at > 0 {
                text.push(' ');
                width += 1;
            }
            text.push_str(word);
            width += length;
        }
        text.push('\n');
    }
}

/// Whether a word begins an item of a list.
fn is_marker(word: &str) -> bool {
    let digits = word.trim_end_matches(['.', ')']);
    ["-", "*", "+", ">"].contains(&word)
        || digits != word && digits.chars().all(|letter| letter.is_ascii_digit())
}

/// How far the lines of a paragraph are indented that begins with this one.
fn margin(line: &str) -> usize {
    let text = line.trim_start();
    let indent = line.len() - text.len();
    match text.split_once(' ') {
        Some((word, _)) if is_marker(word) => indent + word.len() + 1,
        _ => indent,
    }
}

/// The text with paragraphs filled anew that have a line that is too long.
fn filled(text: &str) -> String {
    let mut filled = String::new();
    let mut paragraph = Paragraph::default();
    let mut is_code = false;
    for line in text.lines() {
        let start = line.trim_start();
        let is_fence = start.starts_with("```");
        is_code ^= is_fence;
        let is_alone =
            start.is_empty() || ["|", "#", "<"].iter().any(|mark| start.starts_with(mark));
        if is_code || is_fence || is_alone {
            paragraph.finish(&mut filled);
            filled.extend([line, "\n"]);
            continue;
        }
        if start.split_once(' ').is_some_and(|(word, _)| is_marker(word)) {
            paragraph.finish(&mut filled);
        }
        paragraph.0.push(line);
    }
    paragraph.finish(&mut filled);
    filled
}

#[test]
fn lines_of_documents_end_at_100() {
    let is_long = |line: &&str| {
        let line = line.trim_start();
        line.chars().count() > WIDTH && !line.starts_with('|') && !line.starts_with('#')
    };
    let mut long = Vec::new();
    for (path, text) in documents() {
        if path.ends_with(WRITTEN_BY_NIX) {
            continue;
        }
        if std::env::var_os("RNS_UPDATE").is_some() {
            fs::write(&path, filled(&text)).unwrap();
        } else {
            let lines = text.lines().filter(is_long);
            long.extend(lines.map(|line| format!("{}: {line}", path.display())));
        }
    }
    assert!(long.is_empty(), "RNS_UPDATE=1 fills paragraphs anew:\n{}", long.join("\n"));
}

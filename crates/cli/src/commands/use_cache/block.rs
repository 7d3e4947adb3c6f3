//! The lines that belong to one cache in a file of others: between two comments, so that they can be found again.

use std::collections::VecDeque;

/// The beginning of the comment that stands before the lines of a cache.
const BEGIN: &str = "# begin: rust-nix-serve use ";

/// The beginning of the comment that stands behind them.
const END: &str = "# end: rust-nix-serve use ";

/// Behind the first comment, where the text before it did not end with a line break: without the block it does not again.
const AFTER_OPEN_LINE: &str = " (after a line without an end)";

/// Marks lines as those of this command.
pub(super) struct Block {
    begin: String,
    end: String,
}

/// The place of a block in a file that has none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Before all other lines.
    Start,
    /// Behind them.
    End,
}

/// A text that is taken apart: before a block, inside, and behind.
struct Parts<'a> {
    before: String,
    inside: Vec<&'a str>,
    after: String,
    is_found: bool,
    is_after_open_line: bool,
}

impl Block {
    /// The block of this cache.
    pub(super) fn of(url: &str) -> Self {
        Self { begin: format!("{BEGIN}{url}"), end: format!("{END}{url}") }
    }

    /// A block that caches share, of lines with this title.
    pub(super) fn shared(title: &str) -> Self {
        Self {
            begin: format!("# begin: rust-nix-serve, {title}"),
            end: format!("# end: rust-nix-serve, {title}"),
        }
    }

    /// The text with these lines as the block, at its place or at this one; all other lines stay as they are. No lines:
    /// without the block.
    pub(super) fn put(&self, text: &str, lines: &[String], place: Place) -> String {
        let mut parts = self.parts(text);
        if !parts.is_found && place == Place::Start {
            parts.after = std::mem::take(&mut parts.before);
        }
        let Parts { before: mut new, after, is_after_open_line, .. } = parts;
        if !lines.is_empty() {
            let is_open = !new.is_empty() && !new.ends_with('\n');
            if is_open {
                new.push('\n');
            }
            new.push_str(&self.begin);
            if is_open || is_after_open_line {
                new.push_str(AFTER_OPEN_LINE);
            }
            new.push('\n');
            for line in lines.iter().chain([&self.end]) {
                new.push_str(line);
                new.push('\n');
            }
        }
        new + &after
    }

    /// The text outside of the block.
    pub(super) fn outside(&self, text: &str) -> String {
        self.put(text, &[], Place::End)
    }

    /// The lines of the block.
    pub(super) fn inside<'a>(&self, text: &'a str) -> Vec<&'a str> {
        self.parts(text).inside
    }

    fn parts<'a>(&self, text: &'a str) -> Parts<'a> {
        let mut parts = Parts {
            before: String::new(),
            inside: Vec::new(),
            after: String::new(),
            is_found: false,
            is_after_open_line: false,
        };
        let mut is_inside = false;
        for line in text.split_inclusive('\n') {
            let bare = line.trim_end();
            match bare.strip_prefix(&self.begin) {
                Some(rest) if rest.is_empty() || rest == AFTER_OPEN_LINE => {
                    is_inside = true;
                    parts.is_found = true;
                    parts.is_after_open_line |= !rest.is_empty();
                }
                _ if is_inside && bare == self.end => is_inside = false,
                _ if is_inside => parts.inside.push(bare),
                _ if parts.is_found => parts.after.push_str(line),
                _ => parts.before.push_str(line),
            }
        }
        if parts.is_after_open_line && parts.after.is_empty() {
            parts.before.pop();
        }
        parts
    }
}

/// Returns true if the text has the block of a cache.
pub(super) fn has_any(text: &str) -> bool {
    text.lines().any(|line| line.starts_with(BEGIN))
}

/// The text outside of the blocks of all caches.
pub(super) fn outside_all(text: &str) -> String {
    let mut is_inside = false;
    let mut rest = String::new();
    for line in text.split_inclusive('\n') {
        is_inside |= line.starts_with(BEGIN);
        if !is_inside {
            rest.push_str(line);
        }
        is_inside &= !line.starts_with(END);
    }
    rest
}

/// The lines that a change takes away and adds, for people.
pub(super) fn difference(old: &str, new: &str) -> String {
    let mut rest: VecDeque<&str> = old.lines().collect();
    let (mut text, mut added) = (String::new(), String::new());
    for line in new.lines() {
        match rest.iter().position(|other| *other == line) {
            Some(number) => {
                rest.drain(..number).for_each(|gone| text.push_str(&format!("- {gone}\n")));
                text.push_str(&std::mem::take(&mut added));
                rest.pop_front();
            }
            None => added.push_str(&format!("+ {line}\n")),
        }
    }
    rest.iter().for_each(|gone| text.push_str(&format!("- {gone}\n")));
    text + &added
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        vec![text.to_owned()]
    }

    #[test]
    fn a_block_comes_and_goes_and_leaves_the_rest_exactly() {
        let block = Block::of("https://a");
        for place in [Place::Start, Place::End] {
            for text in ["", "x = 1\n", "x = 1", "\n", "# end: rust-nix-serve use https://b\n"] {
                let with = block.put(text, &lines("y = 2"), place);
                assert!(with.contains("\ny = 2\n") && with.contains(text), "{with}");
                assert_eq!(with.starts_with("# begin:"), place == Place::Start || text.is_empty());
                assert_eq!(block.put(&with, &lines("y = 2"), place), with);
                assert_eq!(block.inside(&with), ["y = 2"]);
                assert_eq!(block.outside(&with), text);
            }
        }
    }

    #[test]
    fn a_block_keeps_its_place_among_others() {
        let (a, b) = (Block::of("https://a"), Block::of("https://a/b"));
        let one = a.put("x = 1", &lines("y = 2"), Place::End);
        let both = b.put(&one, &lines("z = 3"), Place::End);
        assert_eq!(a.put(&both, &lines("y = 2"), Place::End), both);
        assert_eq!(b.put(&both, &lines("z = 3"), Place::Start), both);
        let changed = a.put(&both, &lines("y = 4"), Place::End);
        assert_eq!(changed, both.replace("y = 2", "y = 4"));
        assert_eq!(outside_all(&both), "x = 1\n");
        assert_eq!(a.outside(&b.outside(&both)), "x = 1");
        assert!(has_any(&b.outside(&both)) && !has_any("x = 1"));
        // A line that is added by hand stays on a line of its own.
        assert_eq!(a.outside(&(one + "w = 5\n")), "x = 1\nw = 5\n");
    }

    #[test]
    fn only_lines_that_differ_are_shown() {
        assert_eq!(difference("a\nb\nc\n", "a\nx\nc\n"), "- b\n+ x\n");
        assert_eq!(difference("a\n", "a\nb\n"), "+ b\n");
        assert_eq!(difference("a\na\n", "a\n"), "- a\n");
        assert_eq!(difference("a\n", "a\n"), "");
        assert_eq!(difference("a\nb\n", "x\na\nb\ny\n"), "+ x\n+ y\n");
        assert_eq!(difference("x\na\nb\ny\n", "a\nb\n"), "- x\n- y\n");
    }
}

//! The lines that belong to one cache in a file of others: between two comments, so that they can be found again.

use std::collections::VecDeque;

/// The beginning of every comment that stands before a block.
const ANY_BEGIN: &str = "# begin: rust-nix-serve";

/// The beginning of the comment that stands before the lines of a cache.
const BEGIN: &str = "# begin: rust-nix-serve use ";

/// The beginning of the comment that stands behind them.
const END: &str = "# end: rust-nix-serve use ";

/// Behind the first comment, where the text before it did not end with a line break: without the block it does not again.
const AFTER_OPEN_LINE: &str = " (after a line without an end)";

/// A block has no end, so that other lines cannot be told from its own.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: the block that begins here has no end: put `{end}` behind its last line")]
pub(super) struct OpenBlock {
    /// The number of its first line, from 1 on.
    line: usize,
    /// The line that is missing.
    end: String,
}

/// Marks lines as those of this command.
pub(super) struct Block {
    begin: String,
    end: String,
}

/// The place of a block in a file that has none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockPlace {
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
    ///
    /// # Errors
    /// When the block of the text has no end.
    pub(super) fn put(
        &self,
        text: &str,
        lines: &[String],
        place: BlockPlace,
    ) -> Result<String, OpenBlock> {
        let mut parts = self.parts(text)?;
        if !parts.is_found && place == BlockPlace::Start {
            parts.after = std::mem::take(&mut parts.before);
        }
        let Parts { before: mut new, after, is_after_open_line, .. } = parts;
        if lines.is_empty() {
            // The next block stands behind that line now.
            if is_after_open_line && let Some(marked) = marked(&after) {
                return Ok(new + &marked);
            }
        } else {
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
        Ok(new + &after)
    }

    /// The text outside of the block.
    ///
    /// # Errors
    /// When the block has no end.
    pub(super) fn outside(&self, text: &str) -> Result<String, OpenBlock> {
        self.put(text, &[], BlockPlace::End)
    }

    /// The lines of the block.
    ///
    /// # Errors
    /// When the block has no end.
    pub(super) fn inside<'a>(&self, text: &'a str) -> Result<Vec<&'a str>, OpenBlock> {
        Ok(self.parts(text)?.inside)
    }

    fn parts<'a>(&self, text: &'a str) -> Result<Parts<'a>, OpenBlock> {
        let mut parts = Parts {
            before: String::new(),
            inside: Vec::new(),
            after: String::new(),
            is_found: false,
            is_after_open_line: false,
        };
        let mut open = None;
        for (number, line) in (1..).zip(text.split_inclusive('\n')) {
            let bare = line.trim_end();
            if open.is_some() && bare.starts_with(ANY_BEGIN) {
                break;
            }
            match bare.strip_prefix(&self.begin) {
                Some(rest) if rest.is_empty() || rest == AFTER_OPEN_LINE => {
                    open = Some(number);
                    parts.is_found = true;
                    parts.is_after_open_line |= !rest.is_empty();
                }
                _ if open.is_some() && bare == self.end => open = None,
                _ if open.is_some() => parts.inside.push(bare),
                _ if parts.is_found => parts.after.push_str(line),
                _ => parts.before.push_str(line),
            }
        }
        if let Some(line) = open {
            return Err(OpenBlock { line, end: self.end.clone() });
        }
        if parts.is_after_open_line && parts.after.is_empty() {
            parts.before.pop();
        }
        Ok(parts)
    }
}

/// The text with its first line marked as [`AFTER_OPEN_LINE`], where a block begins there that is not.
fn marked(text: &str) -> Option<String> {
    let (begin, rest) = text.split_once('\n')?;
    let begin = begin.trim_end();
    (begin.starts_with(ANY_BEGIN) && !begin.ends_with(AFTER_OPEN_LINE))
        .then(|| format!("{begin}{AFTER_OPEN_LINE}\n{rest}"))
}

/// Returns true if the text has the block of a cache.
pub(super) fn has_any(text: &str) -> bool {
    text.lines().any(|line| line.starts_with(BEGIN))
}

/// The text outside of the blocks of all caches.
///
/// # Errors
/// When one has no end.
pub(super) fn outside_all(text: &str) -> Result<String, OpenBlock> {
    let mut rest = text.to_owned();
    for begin in text.lines().filter_map(|line| line.trim_end().strip_prefix(BEGIN)) {
        rest = Block::of(begin.strip_suffix(AFTER_OPEN_LINE).unwrap_or(begin)).outside(&rest)?;
    }
    Ok(rest)
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
        for place in [BlockPlace::Start, BlockPlace::End] {
            for text in ["", "x = 1\n", "x = 1", "\n", "# end: rust-nix-serve use https://b\n"] {
                let with = block.put(text, &lines("y = 2"), place).unwrap();
                assert!(with.contains("\ny = 2\n") && with.contains(text), "{with}");
                assert_eq!(
                    with.starts_with("# begin:"),
                    place == BlockPlace::Start || text.is_empty()
                );
                assert_eq!(block.put(&with, &lines("y = 2"), place).as_ref(), Ok(&with));
                assert_eq!(block.inside(&with).unwrap(), ["y = 2"]);
                assert_eq!(block.outside(&with).unwrap(), text);
            }
        }
    }

    #[test]
    fn a_block_keeps_its_place_among_others() {
        let (a, b) = (Block::of("https://a"), Block::of("https://a/b"));
        let put = |block: &Block, text: &str, line: &str, place| {
            block.put(text, &lines(line), place).unwrap()
        };
        let one = put(&a, "x = 1", "y = 2", BlockPlace::End);
        let both = put(&b, &one, "z = 3", BlockPlace::End);
        assert_eq!(put(&a, &both, "y = 2", BlockPlace::End), both);
        assert_eq!(put(&b, &both, "z = 3", BlockPlace::Start), both);
        let changed = put(&a, &both, "y = 4", BlockPlace::End);
        assert_eq!(changed, both.replace("y = 2", "y = 4"));
        assert_eq!(outside_all(&both).unwrap(), "x = 1");
        let without_b = b.outside(&both).unwrap();
        assert_eq!(a.outside(&without_b).unwrap(), "x = 1");
        assert!(has_any(&without_b) && !has_any("x = 1"));
        // A line that is added by hand stays on a line of its own.
        assert_eq!(a.outside(&(one + "w = 5\n")).unwrap(), "x = 1\nw = 5\n");
    }

    #[test]
    fn blocks_go_in_any_order_and_leave_the_rest_exactly() {
        let blocks = ["https://a", "https://b", "https://c"].map(Block::of);
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        for place in [BlockPlace::Start, BlockPlace::End] {
            for text in ["", "\n", "x = 1", "x = 1\n", "x = 1\r\n", "x = 1\r\ny = 2"] {
                let put = |text: String, block: &Block| block.put(&text, &lines("z = 3"), place);
                let all = blocks.iter().try_fold(text.to_owned(), put).unwrap();
                assert_eq!(outside_all(&all).as_deref(), Ok(text));
                for order in orders {
                    let without = |text: String, number: usize| blocks[number].outside(&text);
                    let rest = order.into_iter().try_fold(all.clone(), without).unwrap();
                    assert_eq!(rest, text, "{place:?}, {order:?}");
                }
            }
        }
    }

    #[test]
    fn a_block_without_an_end_does_not_take_the_lines_behind_it() {
        let (a, b) = (Block::of("https://a"), Block::of("https://b"));
        let whole = a.put("x = 1\n", &lines("y = 2"), BlockPlace::End).unwrap();
        let open = whole.replace("# end: rust-nix-serve use https://a\n", "") + "mine = 3\n";
        let more = b.put(&open, &lines("z = 4"), BlockPlace::End).unwrap();
        let again = format!("{open}{whole}");
        for text in [open, more, again] {
            let refused = a.put(&text, &[], BlockPlace::End).unwrap_err();
            assert_eq!(
                refused.to_string(),
                "line 2: the block that begins here has no end: \
                 put `# end: rust-nix-serve use https://a` behind its last line"
            );
            assert_eq!(a.inside(&text), Err(refused));
            assert!(outside_all(&text).is_err());
        }
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

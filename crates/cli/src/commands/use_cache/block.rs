//! The lines that belong to one cache in a file of others: between two comments, so that they can be found again.

/// Marks the lines of one cache.
pub(super) struct Block {
    begin: String,
    end: String,
}

impl Block {
    /// The block of this cache.
    pub(super) fn of(url: &str) -> Self {
        Self {
            begin: format!("# begin: rust-nix-serve use {url}"),
            end: format!("# end: rust-nix-serve use {url}"),
        }
    }

    /// The text with these lines as the block; all other lines stay as they are. No lines: without the block.
    pub(super) fn put(&self, text: &str, lines: &[String]) -> String {
        let mut kept: Vec<&str> = Vec::new();
        let mut is_inside = false;
        let mut place = None;
        for line in text.split_inclusive('\n') {
            match line.trim_end() {
                bare if bare == self.begin => {
                    is_inside = true;
                    place = place.or(Some(kept.len()));
                }
                bare if bare == self.end && is_inside => is_inside = false,
                _ if is_inside => {}
                _ => kept.push(line),
            }
        }
        let after = kept.split_off(place.unwrap_or(kept.len()));
        let mut new = kept.concat();
        if !lines.is_empty() {
            if !new.is_empty() && !new.ends_with('\n') {
                new.push('\n');
            }
            for line in [&self.begin].into_iter().chain(lines).chain([&self.end]) {
                new.push_str(line);
                new.push('\n');
            }
        }
        new.push_str(&after.concat());
        new
    }

    /// The text outside of the block.
    pub(super) fn outside(&self, text: &str) -> String {
        self.put(text, &[])
    }
}

/// The lines that a change takes away and adds, for people.
pub(super) fn difference(old: &str, new: &str) -> String {
    let (old_lines, new_lines): (Vec<&str>, Vec<&str>) =
        (old.lines().collect(), new.lines().collect());
    let same = |(a, b): &(&&str, &&str)| a == b;
    let start = old_lines.iter().zip(&new_lines).take_while(same).count();
    let most = old_lines.len().min(new_lines.len()) - start;
    let end = old_lines.iter().rev().zip(new_lines.iter().rev()).take_while(same).count().min(most);
    let part = |lines: &[&str], sign: char| {
        let lines = lines.iter().take(lines.len() - end).skip(start);
        lines.fold(String::new(), |text, line| format!("{text}{sign} {line}\n"))
    };
    part(&old_lines, '-') + &part(&new_lines, '+')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_and_goes_and_leaves_the_rest() {
        let block = Block::of("https://a");
        for text in ["", "x = 1\n", "x = 1", "# end: rust-nix-serve use https://b\n"] {
            let with = block.put(text, &["y = 2".to_owned()]);
            assert!(with.starts_with(text) && with.contains("\ny = 2\n"), "{with}");
            assert_eq!(block.put(&with, &["y = 2".to_owned()]), with);
            assert_eq!(block.outside(&with).trim_end(), text.trim_end());
            let changed = block.put(&(with.clone() + "z = 3\n"), &["y = 4".to_owned()]);
            assert!(changed.ends_with("y = 4\n# end: rust-nix-serve use https://a\nz = 3\n"));
        }
    }

    #[test]
    fn only_what_differs_is_shown() {
        assert_eq!(difference("a\nb\nc\n", "a\nx\nc\n"), "- b\n+ x\n");
        assert_eq!(difference("a\n", "a\nb\n"), "+ b\n");
        assert_eq!(difference("a\na\n", "a\n"), "- a\n");
        assert_eq!(difference("a\n", "a\n"), "");
    }
}

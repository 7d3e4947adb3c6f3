//! Texts of the daemon, made fit for one log line.

/// Longest text that is handed on, in characters.
const MAX_ERROR_TEXT_CHARS: usize = 600;

/// The text without terminal escapes and control characters, on one line, at most a few hundred
/// characters long.
///
/// Nix colours the words of its error messages even when it talks to a program.
pub(super) fn plain(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut rest = text.chars();
    let mut plain = String::new();
    let mut length = 0;
    let mut gap = false;
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_control_sequence(&mut rest),
            c if c.is_whitespace() => gap = true,
            c if c.is_control() => {}
            c => {
                if gap && !plain.is_empty() {
                    plain.push(' ');
                    length += 1;
                }
                gap = false;
                plain.push(c);
                length += 1;
            }
        }
        if length >= MAX_ERROR_TEXT_CHARS {
            plain.push('…');
            break;
        }
    }
    plain
}

/// Passes over the sequence behind an escape character.
fn skip_escape(rest: &mut std::str::Chars<'_>) {
    match rest.next() {
        Some('[') => skip_control_sequence(rest),
        // Operating system commands (links, window titles) end with BEL or with ESC and a backslash.
        Some(']') => {
            while let Some(character) = rest.next() {
                if character == '\u{7}' {
                    return;
                }
                if character == '\u{1b}' {
                    rest.next();
                    return;
                }
            }
        }
        // Character set selections have one more character.
        Some('(' | ')' | '*' | '+' | '#' | '%' | ' ') => {
            rest.next();
        }
        _ => {}
    }
}

/// Passes over parameters up to the final character.
fn skip_control_sequence(rest: &mut std::str::Chars<'_>) {
    for character in rest {
        if ('@'..='~').contains(&character) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_links_and_titles_vanish() {
        assert_eq!(
            plain(b"\x1b[31;1merror:\x1b[0m path '\x1b[35;1m/nix/store/x\x1b[0m' is bad"),
            "error: path '/nix/store/x' is bad"
        );
        assert_eq!(plain(b"\x1b]8;;http://x\x1b\\a link\x1b]8;;\x07."), "a link.");
        assert_eq!(plain("\u{9b}31mred\x1b(B\x1bc".as_bytes()), "red");
    }

    #[test]
    fn several_lines_become_one() {
        assert_eq!(plain(b"  one\n\n  two\tthree\r\n\0"), "one two three");
    }

    #[test]
    fn an_unfinished_escape_swallows_only_the_rest() {
        for text in ["text\x1b", "text\x1b[", "text\x1b[3", "text\x1b]8;;", "text\x1b]0;\x1b"] {
            assert_eq!(plain(text.as_bytes()), "text");
        }
    }

    #[test]
    fn long_and_broken_text_is_cut_and_repaired() {
        let long = plain(&[b'x'; 100_000]);
        assert_eq!(long.chars().count(), MAX_ERROR_TEXT_CHARS + 1);
        assert!(long.ends_with('…'));
        assert_eq!(plain(b"a\xffb"), "a\u{fffd}b");
    }
}

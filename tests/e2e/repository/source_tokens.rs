//! Rust source as words and punctuation: without comments, texts, lifetimes and the code of tests.

/// The words and punctuation marks of the production code in a file.
pub(super) fn production(text: &str) -> Vec<String> {
    without_tests(&split(text))
}

fn split(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&char) = chars.get(at) {
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        let rest = &chars[at..];
        if rest.starts_with(&['/', '/']) {
            at += rest.iter().position(|c| *c == '\n').unwrap_or(rest.len());
        } else if rest.starts_with(&['/', '*']) {
            at += 2 + rest[2..].windows(2).position(|two| two == ['*', '/']).unwrap() + 2;
        } else if is_raw(if char == 'b' { &rest[1..] } else { rest }) {
            at += raw_text(rest);
        } else if char == '"' {
            at += quoted(rest, '"');
        } else if char == '\'' {
            // A lifetime has no second apostrophe right behind its first letter.
            let is_char = next == '\\' || chars.get(at + 2) == Some(&'\'');
            at += if is_char { quoted(rest, '\'') } else { 1 + word(&rest[1..]) };
        } else if char.is_alphanumeric() || char == '_' {
            let length = word(rest);
            tokens.push(rest[..length].iter().collect());
            at += length;
        } else if char == ':' && next == ':' {
            tokens.push("::".to_owned());
            at += 2;
        } else {
            if !char.is_whitespace() {
                tokens.push(char.to_string());
            }
            at += 1;
        }
    }
    tokens
}

fn is_raw(chars: &[char]) -> bool {
    chars.starts_with(&['r', '"']) || chars.starts_with(&['r', '#'])
}

fn word(chars: &[char]) -> usize {
    chars.iter().take_while(|c| c.is_alphanumeric() || **c == '_').count()
}

fn quoted(chars: &[char], mark: char) -> usize {
    let mut at = 1;
    while chars[at] != mark {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn raw_text(chars: &[char]) -> usize {
    let start = chars.iter().take_while(|c| c.is_alphabetic()).count();
    let marks = chars[start..].iter().take_while(|c| **c == '#').count();
    if chars.get(start + marks) != Some(&'"') {
        // A raw identifier.
        return start + marks;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', marks)).collect();
    let body = start + marks + 1;
    body + chars[body..].windows(end.len()).position(|part| part == end).unwrap() + end.len()
}

/// Leaves out every item that has the attribute `cfg(test)`, and all other attributes.
fn without_tests(tokens: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let start =
            if tokens.get(at + 1).is_some_and(|next| next == "!") { at + 2 } else { at + 1 };
        // In the templates of pages `#` begins no attribute.
        if tokens[at] != "#" || tokens.get(start).is_none_or(|next| next != "[") {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let end = closing(tokens, start);
        let is_test = tokens[start + 1..end].starts_with(&["cfg".into(), "(".into()])
            && tokens[start..end].contains(&"test".to_owned())
            && !tokens[start..end].contains(&"not".to_owned());
        at = end + 1;
        if is_test {
            while tokens.get(at).is_some_and(|token| token == "#") {
                at = closing(tokens, at + 1) + 1;
            }
            at = end_of_item(tokens, at);
        }
    }
    kept
}

/// The position behind the item that begins at `at`.
fn end_of_item(tokens: &[String], mut at: usize) -> usize {
    let is_use = tokens[at..].iter().find(|token| *token == "use" || *token == "{");
    let ends_with_block = is_use.is_none_or(|token| token != "use");
    while at < tokens.len() {
        match tokens[at].as_str() {
            ";" | "," => return at + 1,
            "{" if ends_with_block => return closing(tokens, at) + 1,
            "(" | "[" | "{" => at = closing(tokens, at) + 1,
            _ => at += 1,
        }
    }
    at
}

/// The position of the bracket that closes the one at `open`.
pub(super) fn closing(tokens: &[String], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    panic!("a bracket is not closed");
}

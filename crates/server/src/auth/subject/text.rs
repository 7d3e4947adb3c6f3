//! Distinguished names as RFC 4514 writes them.

use std::{fmt, iter::Peekable, str::Chars};

use super::{
    attribute::AttributeType,
    encoded,
    name::{Attribute, Subject, SubjectError},
};

/// Characters that count as themselves only behind a backslash.
const SPECIAL: &[char] = &['"', '+', ',', ';', '<', '>', '\\'];

pub(super) fn parse(text: &str) -> Result<Subject, SubjectError> {
    if text.trim().is_empty() {
        return Err(SubjectError::Empty);
    }
    let mut rest = text.chars().peekable();
    let mut attributes = Vec::new();
    loop {
        let name: String = std::iter::from_fn(|| rest.next_if(|c| !"=,+".contains(*c))).collect();
        let kind = AttributeType::parse(name.trim()).filter(|_| rest.next_if_eq(&'=').is_some());
        let kind = kind.ok_or_else(|| SubjectError::Part(name.trim().to_owned()))?;
        attributes.push(Attribute { kind, value: value(&mut rest)? });
        if rest.next().is_none() {
            return Ok(Subject(attributes));
        }
    }
}

/// The value up to the next comma or plus sign, which is left.
fn value(rest: &mut Peekable<Chars<'_>>) -> Result<String, SubjectError> {
    while rest.next_if_eq(&' ').is_some() {}
    let is_encoded = rest.next_if_eq(&'#').is_some();
    let mut bytes = Vec::new();
    // Spaces at the end do not count, unless they were escaped.
    let mut counts = 0;
    while let Some(c) = rest.next_if(|c| !",+".contains(*c)) {
        match c {
            '\\' => bytes.push(escaped(rest)?),
            _ if SPECIAL.contains(&c) => return Err(SubjectError::Unescaped(c)),
            _ => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        if c != ' ' {
            counts = bytes.len();
        }
    }
    bytes.truncate(counts);
    let text = String::from_utf8(bytes).map_err(|_| SubjectError::Encoding)?;
    if !is_encoded {
        return Ok(text);
    }
    let der = from_hex(&text).ok_or(SubjectError::Encoded)?;
    encoded::value(&der).ok_or(SubjectError::Encoded)
}

/// The meaning of a backslash with its next characters: a special character, or a byte in hexadecimal.
fn escaped(rest: &mut Peekable<Chars<'_>>) -> Result<u8, SubjectError> {
    let first = rest.next().ok_or(SubjectError::Escape)?;
    if SPECIAL.contains(&first) || " #=".contains(first) {
        return u8::try_from(first).map_err(|_| SubjectError::Escape);
    }
    let second = rest.next().ok_or(SubjectError::Escape)?;
    let digits = first.to_digit(16).zip(second.to_digit(16));
    digits.and_then(|(high, low)| u8::try_from(high << 4 | low).ok()).ok_or(SubjectError::Escape)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(high << 4 | low),
        _ => None,
    });
    pairs.collect()
}

/// Writes a value so that it is read as it is.
pub(super) fn write_value(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    let last = value.chars().count().saturating_sub(1);
    for (index, c) in value.chars().enumerate() {
        let is_edge = (index == 0 && " #".contains(c)) || (index == last && c == ' ');
        match c {
            _ if c.is_control() => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    write!(f, "\\{byte:02X}")?;
                }
            }
            _ if is_edge || SPECIAL.contains(&c) => write!(f, "\\{c}")?,
            _ => write!(f, "{c}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        parse(text).unwrap().0.into_iter().map(|attribute| attribute.value).collect()
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(
            values(r"CN=James \22Jim\22 Smith\, III,O=a\=b"),
            [r#"James "Jim" Smith, III"#, "a=b"]
        );
        assert_eq!(values(r"CN=Lu\C4\8Di\C4\87"), ["Lu\u{10d}i\u{107}"]);
        assert_eq!(values(r"CN=Lučić+OU= a b ,O=\ c\ "), ["Lu\u{10d}i\u{107}", "a b", " c "]);
        assert_eq!(values("1.2.3=#13026369, CN=\\#13026369"), ["ci", "#13026369"]);
        assert_eq!(values("CN=a=b"), ["a=b"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, error) in [
            ("", SubjectError::Empty),
            (" ", SubjectError::Empty),
            ("ci", SubjectError::Part("ci".into())),
            ("=ci", SubjectError::Part(String::new())),
            ("CN=ci,", SubjectError::Part(String::new())),
            ("CN=ci,,O=x", SubjectError::Part(String::new())),
            ("C N=ci", SubjectError::Part("C N".into())),
            ("1.=ci", SubjectError::Part("1.".into())),
            ("CN=a\\", SubjectError::Escape),
            ("CN=a\\zz", SubjectError::Escape),
            ("CN=a;O=b", SubjectError::Unescaped(';')),
            ("CN=\"a\"", SubjectError::Unescaped('"')),
            ("CN=\\ff", SubjectError::Encoding),
            ("CN=#1", SubjectError::Encoded),
            ("CN=#zz", SubjectError::Encoded),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }
}

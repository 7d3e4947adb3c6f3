//! Types of attributes, by name or by number.

use std::fmt;

/// Names of attributes, as they are written, and their object identifiers. Of several names for the same the first
/// is shown.
const ATTRIBUTE_NAMES: &[(&str, &str)] = &[
    ("CN", "2.5.4.3"),
    ("commonName", "2.5.4.3"),
    ("O", "2.5.4.10"),
    ("organizationName", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("organizationalUnitName", "2.5.4.11"),
    ("C", "2.5.4.6"),
    ("countryName", "2.5.4.6"),
    ("L", "2.5.4.7"),
    ("localityName", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("S", "2.5.4.8"),
    ("stateOrProvinceName", "2.5.4.8"),
    ("street", "2.5.4.9"),
    ("streetAddress", "2.5.4.9"),
    ("serialNumber", "2.5.4.5"),
    ("SN", "2.5.4.4"),
    ("surname", "2.5.4.4"),
    ("GN", "2.5.4.42"),
    ("givenName", "2.5.4.42"),
    ("initials", "2.5.4.43"),
    ("title", "2.5.4.12"),
    ("description", "2.5.4.13"),
    ("businessCategory", "2.5.4.15"),
    ("postalCode", "2.5.4.17"),
    ("name", "2.5.4.41"),
    ("dnQualifier", "2.5.4.46"),
    ("pseudonym", "2.5.4.65"),
    ("organizationIdentifier", "2.5.4.97"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("domainComponent", "0.9.2342.19200300.100.1.25"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("userId", "0.9.2342.19200300.100.1.1"),
    ("emailAddress", "1.2.840.113549.1.9.1"),
    ("E", "1.2.840.113549.1.9.1"),
];

/// The type of an attribute: its object identifier, or else its name in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AttributeType(String);

impl AttributeType {
    /// Reads a name or a number; `None` if it is neither.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_prefixed = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("oid."));
        let text = if is_prefixed { text.get(4..)? } else { text };
        let is_number = !text.is_empty()
            && text
                .split('.')
                .all(|arc| !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit()));
        if is_number {
            return text.contains('.').then(|| Self(text.to_owned()));
        }
        let is_name = text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let known = ATTRIBUTE_NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        is_name.then(|| match known {
            Some((_, number)) => Self((*number).to_owned()),
            None => Self(text.to_ascii_lowercase()),
        })
    }

    /// That of an object identifier.
    pub(super) const fn of_number(dotted: String) -> Self {
        Self(dotted)
    }

    /// The name, if it is one that is not known here.
    pub(super) fn unknown_name(&self) -> Option<&str> {
        self.0.starts_with(|first: char| first.is_ascii_alphabetic()).then_some(&*self.0)
    }
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = ATTRIBUTE_NAMES.iter().find(|(_, number)| *number == self.0);
        f.write_str(known.map_or(&*self.0, |(name, _)| name))
    }
}

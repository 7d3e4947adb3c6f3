//! Distinguished names as they are in certificates.

use x509_cert::{
    Certificate,
    der::{Any, Decode, Encode, Tag, Tagged},
};

use super::{
    attribute::AttributeType,
    name::{Attribute, Subject},
};

/// The subject of a certificate.
pub(super) fn subject(der: &[u8]) -> Option<Subject> {
    let certificate = Certificate::from_der(der).ok()?;
    let attributes = certificate.tbs_certificate().subject().iter().map(|attribute| {
        let kind = AttributeType::of_number(attribute.oid.to_string());
        Some(Attribute { kind, value: text(&attribute.value)? })
    });
    attributes.collect::<Option<Vec<_>>>().map(Subject)
}

/// The value that this is the encoding of.
pub(super) fn value(der: &[u8]) -> Option<String> {
    text(&Any::from_der(der).ok()?)
}

/// A value as text; if it is no text, `#` and its encoding, as it is written in a name.
fn text(value: &Any) -> Option<String> {
    let bytes = value.value();
    let found = match value.tag() {
        Tag::Utf8String
        | Tag::PrintableString
        | Tag::Ia5String
        | Tag::NumericString
        | Tag::VisibleString => std::str::from_utf8(bytes).ok().map(str::to_owned),
        Tag::TeletexString => Some(bytes.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let units = bytes.chunks_exact(2).map(|pair| match pair {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0,
            });
            let is_whole = bytes.len().is_multiple_of(2);
            char::decode_utf16(units).collect::<Result<_, _>>().ok().filter(|_| is_whole)
        }
        _ => None,
    };
    found.or_else(|| {
        let encoded = value.to_der().ok()?;
        Some(encoded.iter().fold("#".to_owned(), |text, byte| text + &format!("{byte:02x}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_kind_are_text() {
        assert_eq!(value(b"\x0c\x03\xc3\xa9x").as_deref(), Some("\u{e9}x"));
        assert_eq!(value(b"\x13\x02ci").as_deref(), Some("ci"));
        assert_eq!(value(b"\x14\x02\xe9x").as_deref(), Some("\u{e9}x"));
        assert_eq!(value(b"\x1e\x04\0\xe9\0x").as_deref(), Some("\u{e9}x"));
        assert_eq!(value(b"\x0c\x01\xff").as_deref(), Some("#0c01ff"));
        assert_eq!(value(b"\x04\x02ab").as_deref(), Some("#04026162"));
        assert_eq!(value(b"\x0c\x05ci"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes: Vec<u8>) {
            let _ = subject(&bytes);
            let _ = value(&bytes);
        }
    }
}

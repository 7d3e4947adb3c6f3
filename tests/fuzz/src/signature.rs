//! Signatures: read back as written; the filter for database columns keeps valid ones only.

use rns_formats::Signature;

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(signature) = Signature::parse(text) {
        assert_eq!(Signature::parse(&signature.to_string()), Ok(signature));
    }
    let kept = Signature::filter_valid(text);
    let joined = kept.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(Signature::filter_valid(&joined), kept);
}

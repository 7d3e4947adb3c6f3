//! A distinguished name.

use super::attribute::AttributeType;

/// The attributes of a distinguished name, such as `CN=ci,O=Example`, without regard to their order and to which of
/// them form one part (`OU=a+CN=b`). As a rule it names attributes that a subject must have; others it may have besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(pub(super) Vec<Attribute>);

/// One attribute and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) kind: AttributeType,
    pub(super) value: String,
}

/// Why a text is no distinguished name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// There is nothing in it.
    #[error("it is empty; expected a subject such as CN=ci,O=Example")]
    Empty,
    /// A part without `=`, or with nothing before it.
    #[error("`{0}` is no part of a subject; expected a part such as CN=ci")]
    Part(String),
    /// An attribute that is not known by this name.
    #[error(
        "`{0}` is not the name of an attribute known here; its number, as in 2.5.4.3, can be written instead"
    )]
    Unknown(String),
    /// A backslash with nothing sensible behind it.
    #[error("there is a stray backslash in it")]
    Escape,
    /// A character that only counts as itself behind a backslash.
    #[error("there is a `{0}` in it, which needs a backslash before it")]
    Unescaped(char),
    /// A value in hexadecimal that is not the encoding of anything.
    #[error("the text behind `#` in it is no encoded value in hexadecimal")]
    Encoded,
    /// Bytes that are no text.
    #[error("it is not UTF-8")]
    Encoding,
}

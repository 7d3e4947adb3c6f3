//! Subjects of client certificates.

/// Parts of a distinguished name: `CN=ci,O=Example`. As a rule it names what a subject must have; others it may have
/// besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(Vec<(String, String)>);

/// Why a text is no distinguished name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// There is nothing in it.
    #[error("it is empty; expected a subject such as CN=ci,O=Example")]
    Empty,
    /// A part without `=`, or with nothing before it.
    #[error("`{0}` is no part of a subject; expected a part such as CN=ci")]
    Part(String),
    /// A backslash with nothing sensible behind it.
    #[error("there is a stray backslash in it")]
    Escape,
}

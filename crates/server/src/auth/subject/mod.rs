//! Subjects of client certificates: distinguished names, as text and as X.509 has them.

mod attribute;
mod encoded;
mod name;
mod text;

use std::fmt;

use self::name::Attribute;
pub use self::name::{Subject, SubjectError};

impl Subject {
    /// Reads a rule: a distinguished name as in RFC 4514, with names of attributes that are known here, or their
    /// numbers.
    ///
    /// # Errors
    /// The problem.
    pub fn parse(text: &str) -> Result<Self, SubjectError> {
        let subject = text::parse(text)?;
        match subject.0.iter().find_map(|attribute| attribute.kind.unknown_name()) {
            Some(name) => Err(SubjectError::Unknown(name.to_owned())),
            None => Ok(subject),
        }
    }

    /// Reads the subject of a certificate. Attributes with unknown names are in no rule, and do no harm.
    pub(crate) fn of_text(text: &str) -> Result<Self, SubjectError> {
        text::parse(text)
    }

    /// The subject of a certificate; `None` when it cannot be read.
    #[must_use]
    pub fn of_certificate(der: &[u8]) -> Option<Self> {
        encoded::subject(der)
    }

    /// Whether every attribute of a rule is here, with just that value.
    #[must_use]
    pub fn matches(&self, rule: &Self) -> bool {
        rule.0.iter().all(|wanted| self.0.contains(wanted))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Attribute { kind, value }) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{kind}=")?;
            text::write_value(f, value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_some_of_what_a_subject_has() {
        let subject = Subject::of_text("CN=ci,OU=builders+UID=7,O=Example\\, Inc.,C=DE").unwrap();
        for rule in ["CN=ci", "o=Example\\, Inc., cn=ci", "UID=7", "2.5.4.3=ci", "OID.2.5.4.3=ci"] {
            assert!(subject.matches(&Subject::parse(rule).unwrap()), "{rule}");
        }
        for rule in ["CN=CI", "CN=c", "O=Example", "CN=ci,CN=other", "L=ci", "CN="] {
            assert!(!subject.matches(&Subject::parse(rule).unwrap()), "{rule}");
        }
    }

    #[test]
    fn a_rule_with_an_unknown_attribute_is_refused_and_a_certificate_with_one_is_not() {
        let error = Subject::parse("CN=ci,shoeSize=42").unwrap_err();
        assert_eq!(error, SubjectError::Unknown("shoesize".into()));
        let subject = Subject::of_text("shoeSize=42,CN=ci").unwrap();
        assert!(subject.matches(&Subject::parse("CN=ci").unwrap()));
    }

    #[test]
    fn it_is_shown_as_it_is_read() {
        for text in ["CN=ci,O=Example", "CN=a\\,b\\+c\\\\d\\\"e,O=\\ x\\ ", "CN=\\#1,1.2.3=\u{e9}"]
        {
            let subject = Subject::parse(text).unwrap();
            assert_eq!(subject.to_string(), text);
        }
        assert_eq!(Subject::parse("cn = ci , o=x").unwrap().to_string(), "CN=ci,O=x");
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in ".{0,80}", ascii in "[CNOU=,+;\\\\#\"0-9a-f .]{0,60}") {
            for text in [text, ascii] {
                if let Ok(subject) = Subject::of_text(&text) {
                    let again = Subject::of_text(&subject.to_string());
                    proptest::prop_assert_eq!(again, Ok(subject));
                }
            }
        }
    }
}

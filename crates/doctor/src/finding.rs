//! One thing that is wrong.

use serde_json::{Value, json};

use crate::FindingId;

/// One thing that is wrong, and the line that mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The kind of the fault; never changes its name.
    pub id: FindingId,
    /// The fault as it is here, a sentence without its full stop.
    pub what: String,
    /// The line that mends it: a command, or a line of a configuration file with the file's name in front.
    pub mend: String,
}

impl Finding {
    /// A finding of this kind.
    pub fn new(id: FindingId, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { id, what: what.into(), mend: mend.into() }
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self { id, what, mend } = self;
        json!({ "id": id.name(), "what": what, "why": id.why(), "mend": mend })
    }
}

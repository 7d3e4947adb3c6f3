//! Roots as clients see them: lines of text, or JSON where it is asked for.

use std::fmt::{self, Write as _};

use actix_web::http::{
    StatusCode,
    header::{self, HeaderMap, HeaderValue},
};
use rns_cache::{
    CacheError, FreedByRoot, HumanBytes, RootRevision, RootSizes, RootSummary, SetRoot, moment,
};
use rns_formats::{RootName, StoreDir};
use serde_json::{Map, Value, json};

use crate::response::{self, Answer, error_response};

/// The forms of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Json,
}

impl Form {
    /// The form that a client asks for.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
        let is_json = accepted.flat_map(|value| value.split(',')).any(|kind| {
            kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(JSON)
        });
        if is_json { Self::Json } else { Self::Text }
    }

    /// An answer in this form.
    pub(crate) fn answer(
        self,
        status: StatusCode,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> Answer {
        match self {
            Self::Text => response::plain(status, text()),
            Self::Json => {
                let mut answer = response::plain(status, format!("{}\n", json()));
                let headers = answer.headers_mut();
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
                answer
            }
        }
    }

    /// A refusal in this form.
    pub(crate) fn refusal(self, status: StatusCode, error: &dyn fmt::Display) -> Answer {
        self.answer(status, || format!("{error}\n"), || json!({ "error": error.to_string() }))
    }
}

/// The answer while roots cannot be shown or set.
pub(crate) fn outage(error: &CacheError) -> Answer {
    match error {
        CacheError::Unavailable { .. } => {
            tracing::error!("roots cannot be used: {error}");
            response::unavailable("roots cannot be used at the moment\n")
        }
        error => error_response(error),
    }
}

const JSON: &str = "application/json";

/// A list of roots.
#[derive(Clone, Copy, Debug)]
pub struct RootList<'a> {
    /// The roots, in the order of their names.
    pub roots: &'a [RootSummary],
    /// Whether sizes were asked for.
    pub wants_sizes: bool,
    /// `None`: they were not asked for, or are not known.
    pub sizes: Option<&'a RootSizes>,
    /// The name after which the list goes on.
    pub next: Option<&'a RootName>,
    /// The store directory that paths are printed with.
    pub store_dir: &'a StoreDir,
}

impl RootList<'_> {
    /// `None` for a root that was set since they were found out, too.
    fn size(&self, root: &RootSummary) -> Option<FreedByRoot> {
        self.sizes?.sizes.get(&root.name).copied()
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for root in self.roots {
            _ = write!(text, "{}  {}", root.name, RevisionLine(&root.newest));
            if let Some(size) = self.size(root) {
                _ = write!(text, "  frees {}", HumanBytes(size.freed_bytes));
            }
            text.push('\n');
        }
        if let Some(sizes) = self.sizes {
            _ = writeln!(text, "# sizes as of {}", moment(sizes.as_of));
        } else if self.wants_sizes {
            text.push_str("# too many paths to compute sizes\n");
        }
        if let Some(next) = self.next {
            _ = writeln!(text, "# more with ?after={next}");
        }
        text
    }

    /// The list as the JSON of `GET /gcroots`.
    #[must_use]
    pub fn json(&self) -> Value {
        let roots = self.roots.iter().map(|root| {
            let mut json = named_json(&root.name, &root.newest, self.store_dir);
            json.insert("path_count".to_owned(), root.path_count.into());
            json.insert("revision_count".to_owned(), root.revision_count.into());
            if let Some(size) = self.size(root) {
                let size = json!({
                    "paths": size.paths, "bytes": size.bytes,
                    "freed_paths": size.freed_paths, "freed_bytes": size.freed_bytes,
                });
                json.insert("size".to_owned(), size);
            }
            Value::Object(json)
        });
        let list = json!(roots.collect::<Vec<_>>());
        let next = json!(self.next.map(RootName::as_str));
        let mut json = Map::from_iter([("roots".to_owned(), list), ("next".to_owned(), next)]);
        if self.wants_sizes {
            let as_of = self.sizes.map(|sizes| moment(sizes.as_of));
            json.insert("sizes_as_of".to_owned(), as_of.into());
        }
        Value::Object(json)
    }
}

/// A root with all its revisions.
pub(crate) fn root_text(revisions: &[RootRevision], store_dir: &StoreDir) -> String {
    let mut text = String::new();
    for revision in revisions {
        _ = writeln!(text, "{}", RevisionLine(revision));
        for path in &revision.paths {
            _ = writeln!(text, "  {}", store_dir.print(path));
        }
    }
    text
}

/// The same as JSON.
pub(crate) fn root_json(
    name: &RootName,
    revisions: &[RootRevision],
    store_dir: &StoreDir,
) -> Value {
    let revisions = revisions.iter().map(|revision| revision_json(revision, store_dir));
    json!({ "name": name.as_str(), "revisions": revisions.collect::<Vec<_>>() })
}

/// One revision as JSON.
fn revision_json(revision: &RootRevision, store_dir: &StoreDir) -> Map<String, Value> {
    let paths = revision.paths.iter().map(|path| Value::from(store_dir.print(path)));
    let label = revision.label.as_ref().map(|label| label.as_str());
    let fields = [
        ("revision", revision.revision.into()),
        ("created", moment(revision.created).into()),
        ("expires", revision.expires.map(moment).into()),
        ("label", label.into()),
        ("pusher", revision.pusher.name.as_str().into()),
        ("paths", paths.collect()),
    ];
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// One revision as JSON, with the name of its root.
#[must_use]
pub(crate) fn named_json(
    name: &RootName,
    revision: &RootRevision,
    store_dir: &StoreDir,
) -> Map<String, Value> {
    let mut json = revision_json(revision, store_dir);
    json.insert("name".to_owned(), name.as_str().into());
    json
}

/// A revision in a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RevisionLine<'a>(pub(crate) &'a RootRevision);

impl fmt::Display for RevisionLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(revision) = self;
        write!(f, "revision {}  set {}", revision.revision, moment(revision.created))?;
        if let Some(expires) = revision.expires {
            write!(f, "  until {}", moment(expires))?;
        }
        match &revision.label {
            Some(label) => write!(f, "  {label}"),
            None => Ok(()),
        }
    }
}

/// A root that was set as JSON: its revision, and those that it let go.
#[must_use]
pub fn set_json(name: &RootName, set: &SetRoot, store_dir: &StoreDir) -> Map<String, Value> {
    let mut json = named_json(name, &set.revision, store_dir);
    json.insert("let_go".to_owned(), set.let_go.clone().into());
    json
}

/// The same in a line.
#[derive(Clone, Copy, Debug)]
pub struct SetLine<'a>(pub &'a SetRoot);

impl fmt::Display for SetLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(SetRoot { revision, let_go }) = self;
        write!(f, "{}", RevisionLine(revision))?;
        if let_go.is_empty() {
            return Ok(());
        }
        let numbers: Vec<String> = let_go.iter().map(u64::to_string).collect();
        let plural = if let_go.len() == 1 { "" } else { "s" };
        write!(f, "  (revision{plural} {} let go: more stay with `revisions`)", numbers.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_are_not_known_are_not_told() {
        let store_dir = StoreDir::default();
        let list = |wants_sizes, sizes| RootList {
            roots: &[],
            wants_sizes,
            sizes,
            next: None,
            store_dir: &store_dir,
        };
        let unknown = list(true, None);
        assert_eq!(unknown.json()["sizes_as_of"], Value::Null);
        assert!(unknown.text().contains("too many"), "{}", unknown.text());
        let as_of = std::time::SystemTime::UNIX_EPOCH;
        let sizes = RootSizes { as_of, sizes: std::collections::BTreeMap::new() };
        let known = list(true, Some(&sizes));
        assert_eq!(known.json()["sizes_as_of"], "1970-01-01T00:00:00Z");
        assert!(known.text().contains("1970-01-01"), "{}", known.text());
        assert_eq!(list(false, None).text(), "");
        assert!(list(false, None).json().get("sizes_as_of").is_none());
    }
}

//! From the bytes of a `.ls` file to a tree.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::nar::{NarLimits, TreeError};

use super::node::{ListingNode, NarListing};

/// Why something is not a listing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListingError {
    /// It is not JSON, its JSON is not that of a listing, or it describes a tree that no archive
    /// can hold.
    #[error("this is not the listing of an archive: {0}")]
    Json(#[from] serde_json::Error),
    /// A later version, of which nothing is known.
    #[error("listings of version {0} are not known, only those of version 1")]
    Version(u64),
}

pub(super) fn parse(json: &[u8]) -> Result<NarListing, ListingError> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    // Only nodes recurse, and those count their depth; members that are not known are passed over
    // without recursion.
    reader.disable_recursion_limit();
    let document = ListingDocument::deserialize(&mut reader)?;
    reader.end()?;
    match document.version {
        1 => Ok(NarListing { root: document.root.0 }),
        version => Err(ListingError::Version(version)),
    }
}

#[derive(Deserialize)]
struct ListingDocument {
    version: u64,
    root: Root,
}

struct Root(ListingNode);

impl<'de> Deserialize<'de> for Root {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        NodeAt { depth: 0, limits: NarLimits::default() }.deserialize(deserializer).map(Self)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum NodeMember {
    Type,
    Size,
    Executable,
    NarOffset,
    Target,
    Entries,
    #[serde(other)]
    Unknown,
}

/// Reads a node at some depth below the root.
#[derive(Clone, Copy)]
struct NodeAt {
    depth: usize,
    limits: NarLimits,
}

impl<'de> DeserializeSeed<'de> for NodeAt {
    type Value = ListingNode;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ListingNode, D::Error> {
        if self.depth >= self.limits.depth {
            return Err(de::Error::custom(TreeError::TooDeep { limit: self.limits.depth }));
        }
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for NodeAt {
    type Value = ListingNode;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a node of the tree")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ListingNode, A::Error> {
        let mut kind: Option<String> = None;
        let mut size: Option<u64> = None;
        let mut executable: Option<bool> = None;
        let mut nar_offset: Option<u64> = None;
        let mut target: Option<String> = None;
        let mut entries: Option<BTreeMap<String, ListingNode>> = None;
        while let Some(member) = map.next_key()? {
            match member {
                NodeMember::Type => once(&mut kind, "type", map.next_value()?)?,
                NodeMember::Size => once(&mut size, "size", map.next_value()?)?,
                NodeMember::Executable => once(&mut executable, "executable", map.next_value()?)?,
                NodeMember::NarOffset => once(&mut nar_offset, "narOffset", map.next_value()?)?,
                NodeMember::Target => once(&mut target, "target", map.next_value()?)?,
                NodeMember::Entries => {
                    once(&mut entries, "entries", map.next_value_seed(EntriesOf(self))?)?
                }
                NodeMember::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        match kind.as_deref() {
            Some("regular") => Ok(ListingNode::Regular {
                size: size.ok_or_else(|| de::Error::missing_field("size"))?,
                executable: executable.unwrap_or(false),
                // No contents can begin at 0, where every archive has its magic bytes: writers without
                // offsets put 0 here.
                nar_offset: nar_offset.filter(|&offset| offset != 0),
            }),
            Some("symlink") => {
                let target = target.ok_or_else(|| de::Error::missing_field("target"))?;
                self.limits.check_target(target.as_bytes()).map_err(de::Error::custom)?;
                Ok(ListingNode::Symlink { target })
            }
            Some("directory") => entries
                .map(ListingNode::Directory)
                .ok_or_else(|| de::Error::missing_field("entries")),
            Some(other) => {
                Err(de::Error::unknown_variant(other, &["regular", "symlink", "directory"]))
            }
            None => Err(de::Error::missing_field("type")),
        }
    }
}

/// Reads the entries of the directory at this place.
struct EntriesOf(NodeAt);

impl<'de> DeserializeSeed<'de> for EntriesOf {
    type Value = BTreeMap<String, ListingNode>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EntriesOf {
    type Value = BTreeMap<String, ListingNode>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the entries of a directory")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let child = NodeAt { depth: self.0.depth + 1, limits: self.0.limits };
        let mut entries = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            child.limits.check_name(name.as_bytes()).map_err(de::Error::custom)?;
            let node = map.next_value_seed(child)?;
            match entries.entry(name) {
                Entry::Vacant(entry) => entry.insert(node),
                Entry::Occupied(entry) => {
                    return Err(de::Error::custom(TreeError::Duplicate {
                        name: entry.key().as_bytes().into(),
                    }));
                }
            };
        }
        Ok(entries)
    }
}

fn once<T, E: de::Error>(member: &mut Option<T>, name: &'static str, value: T) -> Result<(), E> {
    if member.replace(value).is_some() { Err(E::duplicate_field(name)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(node: &str) -> Result<ListingNode, String> {
        let json = format!(r#"{{"version":1,"root":{node}}}"#);
        parse(json.as_bytes()).map(|listing| listing.root).map_err(|error| error.to_string())
    }

    #[test]
    fn the_spellings_of_all_generations_are_read() {
        let file =
            |executable, nar_offset| ListingNode::Regular { size: 3, executable, nar_offset };
        for (json, want) in [
            (r#"{"type":"regular","size":3,"narOffset":96}"#, file(false, Some(96))),
            (
                r#"{"executable":false,"narOffset":96,"size":3,"type":"regular"}"#,
                file(false, Some(96)),
            ),
            (r#"{"type":"regular","size":3,"executable":true}"#, file(true, None)),
            (r#"{"type":"regular","size":3,"narOffset":0,"more":[{"a":[]}]}"#, file(false, None)),
            (
                r#"{"type":"symlink","target":"../a"}"#,
                ListingNode::Symlink { target: "../a".into() },
            ),
            (r#"{"entries":{},"type":"directory"}"#, ListingNode::Directory(BTreeMap::new())),
        ] {
            assert_eq!(root(json), Ok(want), "{json}");
        }
    }

    #[test]
    fn trees_that_no_archive_holds_are_refused() {
        for (json, want) in [
            (
                r#"{"type":"directory","entries":{"..":{"type":"symlink","target":"a"}}}"#,
                "must not be called",
            ),
            (
                r#"{"type":"directory","entries":{"a/b":{"type":"symlink","target":"a"}}}"#,
                "must not be called",
            ),
            (
                r#"{"type":"directory","entries":{"a":{"type":"symlink","target":"a"},"a":{"type":"symlink","target":"b"}}}"#,
                "twice",
            ),
            (r#"{"type":"symlink","target":""}"#, "empty target"),
            (r#"{"type":"symlink","target":"a\u0000"}"#, "NUL"),
            (r#"{"type":"fifo"}"#, "fifo"),
            (r#"{"type":"regular"}"#, "size"),
            (r#"{"type":"regular","size":-1}"#, "-1"),
            (r#"{"type":"regular","size":1,"size":1}"#, "duplicate"),
            (r#"{"type":"directory"}"#, "entries"),
            (r#"{"type":"symlink"}"#, "target"),
            ("{}", "type"),
            ("[]", "a node of the tree"),
        ] {
            let error = root(json).unwrap_err();
            assert!(error.contains(want), "{json}: {error}");
        }
    }

    #[test]
    fn only_version_1_is_known() {
        let json = br#"{"version":2,"root":{"type":"symlink","target":"a"}}"#;
        assert!(matches!(parse(json), Err(ListingError::Version(2))));
        assert!(matches!(
            parse(br#"{"root":{"type":"symlink","target":"a"}}"#),
            Err(ListingError::Json(_))
        ));
        assert!(matches!(parse(br#"{"version":1}"#), Err(ListingError::Json(_))));
        assert!(matches!(
            parse(br#"{"version":1,"root":{"type":"symlink","target":"a"}}x"#),
            Err(ListingError::Json(_))
        ));
    }

    fn nested(levels: usize) -> String {
        let open = r#"{"type":"directory","entries":{"d":"#.repeat(levels);
        format!(r#"{open}{{"type":"symlink","target":"t"}}{}"#, "}}".repeat(levels))
    }

    #[test]
    fn depth_is_bounded_as_in_archives() {
        root(&nested(63)).unwrap();
        assert!(root(&nested(64)).unwrap_err().contains("deeper"));
        assert!(root(&nested(1_000_000)).unwrap_err().contains("deeper"));
        let deep = format!(
            r#"{{"type":"symlink","target":"t","x":{}{}}}"#,
            "[".repeat(1_000_000),
            "]".repeat(1_000_000)
        );
        root(&deep).unwrap();
    }
}

//! From a layout to the bytes of a `.ls` file.

use std::io::Write as _;

use crate::nar::{NarLayout, Node, NodeKind};

/// A tree has no listing, since JSON cannot hold one of its names or targets.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("\"{}\", or where it points, is not UTF-8", .path.escape_ascii())]
pub struct NotUtf8 {
    /// Path below the root, with slashes, to the node in question.
    pub path: Box<[u8]>,
}

pub(super) fn to_json(layout: &NarLayout) -> Result<Vec<u8>, NotUtf8> {
    let nodes = layout.nodes();
    let mut json = br#"{"version":1,"root":"#.to_vec();
    // Numbers at which the open directories end.
    let mut open: Vec<usize> = Vec::new();
    let mut first = true;
    for node in nodes.iter() {
        while open.pop_if(|end| *end <= node.index).is_some() {
            json.extend_from_slice(b"}}");
            first = false;
        }
        if node.index > 0 {
            if !first {
                json.push(b',');
            }
            push_string(&mut json, node.name).ok_or_else(|| not_utf8(layout, node))?;
            json.push(b':');
        }
        first = false;
        match node.kind {
            NodeKind::Directory { end } => {
                json.extend_from_slice(br#"{"type":"directory","entries":{"#);
                open.push(end);
                first = true;
            }
            NodeKind::Symlink { target } => {
                json.extend_from_slice(br#"{"type":"symlink","target":"#);
                push_string(&mut json, target).ok_or_else(|| not_utf8(layout, node))?;
                json.push(b'}');
            }
            NodeKind::Regular { file } => push_regular(&mut json, layout, file),
        }
    }
    open.iter().for_each(|_| json.extend_from_slice(b"}}"));
    json.push(b'}');
    Ok(json)
}

fn push_regular(json: &mut Vec<u8>, layout: &NarLayout, file: usize) {
    let Some(file) = layout.file(file) else { return };
    let executable = if file.executable { r#","executable":true"# } else { "" };
    // Writing to a vector cannot fail.
    let _ = write!(
        json,
        r#"{{"type":"regular","size":{}{executable},"narOffset":{}}}"#,
        file.size, file.nar_offset
    );
}

fn push_string(json: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    // Writing a string to a vector cannot fail.
    serde_json::to_writer(json, str::from_utf8(bytes).ok()?).ok()
}

fn not_utf8(layout: &NarLayout, node: Node<'_>) -> NotUtf8 {
    NotUtf8 { path: layout.nodes().path(node.index).join(&b'/').into_boxed_slice() }
}

//! Roots and their fate, as they are printed.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{
    commands::push::Style,
    output::{CommandAnswer, print, tell},
};

/// Says that a root was set: as a line, or as the JSON of the server.
pub(super) fn pinned(
    style: Style,
    line: impl FnOnce() -> String,
    root: impl FnOnce() -> anyhow::Result<Value>,
) -> anyhow::Result<CommandAnswer> {
    match style {
        Style::Lines => print(&format!("pinned {}\n", line()))?,
        Style::Json => {
            print(&format!("{}\n", json!({ "outcome": "pinned", "root": root()? })))?;
        }
        Style::Quiet => {}
    }
    Ok(CommandAnswer::Yes)
}

/// Says that a root was removed, or that there was none.
pub(super) fn removed(name: &str, was_there: bool, style: Style) -> anyhow::Result<CommandAnswer> {
    match style {
        Style::Json => print(&format!("{}\n", json!({ "name": name, "deleted": was_there })))?,
        Style::Lines if was_there => print(&format!("removed {name}\n"))?,
        Style::Lines | Style::Quiet => {}
    }
    if was_there {
        return Ok(CommandAnswer::Yes);
    }
    tell(&format!("there is no root {name}"));
    Ok(CommandAnswer::No)
}

/// Prints roots, each as the JSON of the server.
pub(super) fn list(roots: &[Value], json: bool) -> anyhow::Result<CommandAnswer> {
    if json {
        // As the server says it, with all pages in one.
        print(&format!("{}\n", json!({ "roots": roots, "next": null })))?;
    } else {
        print(&roots.iter().map(line).collect::<String>())?;
    }
    Ok(CommandAnswer::Yes)
}

/// One root in one line: name, revision, times, label and paths.
fn line(root: &Value) -> String {
    let text = |name: &str| root.get(name).and_then(Value::as_str);
    let number = |name: &str| root.get(name).and_then(Value::as_u64).unwrap_or(0);
    let mut line = format!("{}  revision {}", text("name").unwrap_or("?"), number("revision"));
    // Writing to a text cannot fail.
    _ = write!(line, " of {}", text("created").unwrap_or("?"));
    if let Some(expires) = text("expires") {
        _ = write!(line, ", until {expires}");
    }
    if let Some(label) = text("label") {
        _ = write!(line, "  {label}");
    }
    let paths = root.get("paths").and_then(Value::as_array);
    let paths = paths.map(|paths| paths.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    for path in paths.unwrap_or_default() {
        _ = write!(line, "\n    {path}");
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_root_is_shown_with_its_paths_below() {
        let root = json!({
            "name": "project/main", "revision": 7, "created": "2026-11-27T19:30:00Z",
            "expires": null, "label": "4f2c1d9", "paths": ["/nix/store/x-project"],
        });
        let shown =
            "project/main  revision 7 of 2026-11-27T19:30:00Z  4f2c1d9\n    /nix/store/x-project\n";
        assert_eq!(line(&root), shown);
    }
}

//! The outcome of a command, for people or for programs.

use std::io;

use serde_json::Value;

use crate::{args::StoragePlace, output::print};

/// Prints an outcome: the text, or the value as JSON.
pub(super) fn report(place: &StoragePlace, text: &str, json: &Value) -> io::Result<()> {
    if place.json { print(&format!("{json:#}\n")) } else { print(text) }
}

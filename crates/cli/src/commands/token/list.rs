//! `token list`.

use std::{path::Path, time::SystemTime};

use rns_server::auth::tokens::{Token, load_tokens};

use crate::output::{CommandAnswer, print};

/// Prints the tokens of a file, a line for each.
pub(super) fn run(file: &Path) -> anyhow::Result<CommandAnswer> {
    let tokens = load_tokens(file)?;
    let now = SystemTime::now();
    let rows: Vec<[String; 3]> = tokens
        .iter()
        .map(|token| [token.name.to_string(), token.allow.to_string(), until(token, now)])
        .collect();
    let width =
        |column: fn(&[String; 3]) -> &String| rows.iter().map(|row| column(row).len()).max();
    let (names, allows) = (width(|row| &row[0]).unwrap_or(0), width(|row| &row[1]).unwrap_or(0));
    let text: String = rows
        .iter()
        .map(|[name, allow, until]| format!("{name:names$}  {allow:allows$}  {until}\n"))
        .collect();
    print(&text)?;
    Ok(CommandAnswer::Yes)
}

/// Until when it is good, and for which paths.
pub(super) fn until(token: &Token, now: SystemTime) -> String {
    let mut text = token.expires.to_string();
    if token.expires.is_over(now) {
        text.push_str(" (expired)");
    }
    if !token.paths.is_empty() {
        let paths: Vec<_> = token.paths.iter().map(ToString::to_string).collect();
        text.push_str("  paths ");
        text.push_str(&paths.join(","));
    }
    text
}

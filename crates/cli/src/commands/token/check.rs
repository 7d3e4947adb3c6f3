//! `token check`.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Read as _},
    path::Path,
    time::SystemTime,
};

use anyhow::Context as _;
use rns_server::auth::tokens::Tokens;

use super::list::until;
use crate::output::{CommandAnswer, print, tell};

/// Longer than any token.
const MAX_LINE_BYTES: u64 = 4096;

/// Prints the name and permissions of the token on the first line of standard input. The token is no argument, because
/// every user of the machine can read those.
pub(super) fn run(file: &Path) -> anyhow::Result<CommandAnswer> {
    let tokens = Tokens::load(file)?;
    if io::stdin().is_terminal() {
        tell("the token:");
    }
    let mut line = Vec::new();
    let mut input = io::stdin().lock().take(MAX_LINE_BYTES);
    input.read_until(b'\n', &mut line).context("cannot read standard input")?;
    let now = SystemTime::now();
    match tokens.find(line.trim_ascii(), now) {
        Ok(known) => {
            let token = &known.token;
            print(&format!("{}: {}, until {}\n", token.name, token.allow, until(token, now)))?;
            Ok(CommandAnswer::Yes)
        }
        Err(problem) => {
            tell(&format!("{problem}"));
            Ok(CommandAnswer::No)
        }
    }
}

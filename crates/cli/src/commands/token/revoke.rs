//! `token revoke`.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use rns_server::auth::tokens::{TokenName, parse_tokens, without_token};

use super::edit;
use crate::output::{CommandAnswer, tell};

/// Takes a token out of a file. Nothing else in it changes.
pub(super) fn run(name: &str, file: &Path) -> anyhow::Result<CommandAnswer> {
    let name = TokenName::parse(name).context("this cannot name a token")?;
    let mut problem = None;
    edit::edit(file, |text| {
        let rest = text.and_then(|text| without_token(&text, &name));
        let rest = rest.ok_or_else(|| anyhow!("{}: there is no token {name}", file.display()))?;
        problem = parse_tokens(&rest).err();
        Ok(rest)
    })?;
    match problem {
        None => {
            tell(&format!("{name} is revoked; a running server refuses it within two seconds"));
            Ok(CommandAnswer::Yes)
        }
        Some(problem) => {
            tell(&format!(
                "{name} is not in {} any more, but a running server keeps the tokens that it has read, because of other \
                 problems in that file: {problem}",
                file.display()
            ));
            Ok(CommandAnswer::No)
        }
    }
}

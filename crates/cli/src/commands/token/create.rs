//! `token create`.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _},
    path::Path,
    time::SystemTime,
};

use anyhow::{Context as _, anyhow, bail};
use rns_server::{
    auth::tokens::{Expiry, Token, TokenName, TokenSecret, parse_tokens, patterns},
    config::Permissions,
};

use super::{edit, token_file::TokenFile};
use crate::output::{CommandAnswer, print, tell};

/// The first lines of a new file.
const TOKEN_FILE_HEADER: &str = "\
# Tokens of a binary cache, one on each line: name, hash, permissions, expiry.\n\
# The tokens themselves are not here. `rust-nix-serve token` makes, lists, revokes and checks them.\n";

/// The properties of the token to make.
pub(super) struct NewToken {
    name: TokenName,
    allow: Permissions,
    expires: Expiry,
    paths: Option<String>,
}

impl NewToken {
    pub(super) fn parse(
        name: &str,
        allow: &str,
        expires: &str,
        paths: Option<&str>,
    ) -> anyhow::Result<Self> {
        paths.map(patterns).transpose().context("--paths")?;
        Ok(Self {
            name: TokenName::parse(name).context("this cannot name a token")?,
            allow: Permissions::parse(allow.split(',').map(str::trim)).context("--allow")?,
            expires: Expiry::wished(expires, SystemTime::now()).context("--expires")?,
            paths: paths.map(str::to_owned),
        })
    }

    fn make(self, secret: &TokenSecret) -> anyhow::Result<Token> {
        Ok(Token {
            name: self.name,
            digest: secret.digest(),
            allow: self.allow,
            expires: self.expires,
            paths: self.paths.as_deref().map(patterns).transpose()?.unwrap_or_default(),
        })
    }
}

/// Makes a token. It is printed when its hash is where it belongs.
pub(super) fn run(wish: NewToken, place: &TokenFile) -> anyhow::Result<CommandAnswer> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("no random numbers: {error}"))?;
    let secret = TokenSecret::from_random(&bytes);
    let token = wish.make(&secret)?;
    if let Some(file) = place.try_file() {
        append(file, &token)?;
    }
    print(&format!("{}\n", secret.as_str())).context("cannot print the token")?;
    tell(&explanation(&token, &secret, place));
    Ok(CommandAnswer::Yes)
}

fn append(file: &Path, token: &Token) -> anyhow::Result<()> {
    edit::edit(file, |text| {
        let mut text = text.unwrap_or_else(|| TOKEN_FILE_HEADER.to_owned());
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        if let Ok(known) = parse_tokens(&text)
            && known.iter().any(|known| known.name == token.name)
        {
            bail!(
                "{}: the name {1} is taken; choose another one, or end that token first with \
                 `rust-nix-serve token revoke {1}`",
                file.display(),
                token.name
            );
        }
        writeln!(text, "{token}")?;
        // Earlier faults of the file count too: the server would refuse the whole file.
        parse_tokens(&text).map_err(|problem| anyhow!("{}: {problem}", file.display()))?;
        Ok(text)
    })
}

fn explanation(token: &Token, secret: &TokenSecret, place: &TokenFile) -> String {
    let name = &token.name;
    // The token is on standard output already; a captured or logged standard error must not repeat it.
    let shown = if io::stderr().is_terminal() { secret.as_str() } else { "TOKEN" };
    let written = match place.try_file() {
        Some(file) => {
            format!(
                "Its hash is in {}; a running server takes it up within two seconds.",
                file.display()
            )
        }
        None => {
            format!("The line for the file that `tokens` in the section [access] names:\n\n{token}")
        }
    };
    let validity = match token.expires {
        Expiry::Never => "It does not expire.".to_owned(),
        at @ Expiry::At(_) => format!("It is good until {at}."),
    };
    format!(
        "\nThis is the token {name} ({}), which cannot be shown again. {validity}\n{written}\n\n\
         For clients, a line in a netrc file that only they can read (the Nix daemon's is /etc/nix/netrc):\n\n\
         machine {} login {name} password {shown}",
        token.allow,
        place.host(),
    )
}

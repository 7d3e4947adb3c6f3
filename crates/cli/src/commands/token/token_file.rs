//! Which file of tokens is meant.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::{
    args::{ServeArgs, TokenPlace},
    config::{self, Environment, PassedSockets},
    host::host_of,
};

/// Where tokens are written, and how clients reach the cache.
#[derive(Debug, Default)]
pub(super) struct TokenFile {
    /// None: nowhere.
    file: Option<PathBuf>,
    /// The host name for clients, where one is configured.
    host: Option<String>,
}

/// Looks into the configuration, unless a file is named.
pub(super) fn find(place: &TokenPlace, environment: &Environment) -> anyhow::Result<TokenFile> {
    if let Some(file) = &place.file {
        let file = (file != Path::new("-")).then(|| file.clone());
        return Ok(TokenFile { file, host: None });
    }
    let args = ServeArgs { config: place.config.clone(), ..ServeArgs::default() };
    let loaded = config::load(&args, environment, PassedSockets::Unknown)
        .context("the configuration has problems; --file names the file of tokens without it")?;
    let server = loaded.server;
    let public = server.public_url.as_deref().map(host_of).map(str::to_owned);
    let Some(wanted) = &place.cache else {
        return Ok(TokenFile { file: server.caches.default.access.tokens, host: public });
    };
    let Some(named) = server.caches.named.into_iter().find(|named| named.name == *wanted) else {
        bail!("the configuration knows no cache `{wanted}`");
    };
    let host = named.hosts.into_iter().next().or(public);
    Ok(TokenFile { file: named.cache.access.tokens, host })
}

impl TokenFile {
    /// The file, where one is needed.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn file(&self) -> anyhow::Result<&Path> {
        self.try_file().context(
            "no file of tokens is configured: set `tokens` in the section [access], or name it with --file",
        )
    }

    pub(super) fn try_file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The name that stands behind `machine` in a netrc file.
    pub(super) fn host(&self) -> &str {
        self.host.as_deref().unwrap_or("cache.example.org")
    }
}

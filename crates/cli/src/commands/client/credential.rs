//! The credential that a client has for a cache.

use std::path::PathBuf;

use anyhow::Context as _;
use rns_client::{Credentials, CredentialsError};
use rns_doctor::machine::NixConf;
use url::Url;

use crate::{
    client_args::CredentialArgs,
    config::{Environment, env::TOKEN_VARIABLE},
};

/// Looks in all places, in the order that the help text names.
pub(in crate::commands) fn credential(
    args: &CredentialArgs,
    url: &Url,
    environment: &Environment,
) -> anyhow::Result<Credentials> {
    if let Some(file) = &args.token_file {
        return Credentials::of_token_file(file).context("cannot use --token-file");
    }
    if let Some(token) = of_variable(environment) {
        return Ok(Credentials::Token(token.to_owned().into()));
    }
    if let Some(credentials) = Credentials::of_url(url) {
        return Ok(credentials);
    }
    of_netrc(args, url)
}

/// The token of the environment. A secret that a CI service does not hand out is an empty text, or an empty line.
fn of_variable(environment: &Environment) -> Option<&str> {
    environment.get(TOKEN_VARIABLE).map(str::trim).filter(|token| !token.is_empty())
}

/// Returns true if the credential comes from elsewhere than a netrc file.
pub(in crate::commands) fn is_explicit(
    args: &CredentialArgs,
    url: &Url,
    environment: &Environment,
) -> bool {
    args.token_file.is_some()
        || of_variable(environment).is_some()
        || Credentials::of_url(url).is_some()
}

/// The credential of an upstream: the target's is not shown to others.
pub(super) fn of_netrc(args: &CredentialArgs, url: &Url) -> anyhow::Result<Credentials> {
    let is_named = args.netrc_file.is_some();
    let file = netrc_file(args);
    match Credentials::of_netrc(&file, url) {
        Ok(found) => Ok(found.unwrap_or_default()),
        // That of the system is often for root alone.
        Err(CredentialsError::File { .. }) if !is_named => Ok(Credentials::Anonymous),
        Err(error) => Err(error).context("cannot use --netrc-file"),
    }
}

/// The reason for which [`credential`] has found none, for messages.
pub(super) fn why_none(args: &CredentialArgs, url: &Url) -> String {
    rns_client::why_no_credential(&netrc_file(args), url)
}

fn netrc_file(args: &CredentialArgs) -> PathBuf {
    args.netrc_file.clone().unwrap_or_else(|| NixConf::of_process().netrc_file())
}

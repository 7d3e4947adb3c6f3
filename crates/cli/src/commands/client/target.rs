//! The caches that a client speaks to.

use anyhow::{Context as _, bail};
use rns_client::{CaFile, CacheClient, ClientConfig, Credentials, Liveness};
use rns_doctor::machine::NixConf;
use rns_formats::StoreDir;
use rns_push::{PushConfig, PushError, PushTarget, StorageTarget};
use url::Url;

use super::credential::{self, credential};
use crate::{
    client_args::{CredentialArgs, TargetArgs},
    commands::storage::owner,
    config::Environment,
};

/// Connections beside those of NARs: for narinfos and questions.
const MORE_CONNECTIONS: usize = 16;

/// A client of the cache at an `http` or `https` URL.
pub(in crate::commands) fn cache_client(
    url: &str,
    args: &CredentialArgs,
    environment: &Environment,
    connections: usize,
) -> anyhow::Result<CacheClient> {
    Ok(CacheClient::new(client_config(url, args, environment, connections)?)?)
}

fn client_config(
    url: &str,
    args: &CredentialArgs,
    environment: &Environment,
    connections: usize,
) -> anyhow::Result<ClientConfig> {
    let url = parsed(url)?;
    let credentials = credential(args, &url, environment)?;
    let no_credential = match credentials {
        Credentials::Anonymous => credential::why_none(args, &url),
        _ => String::new(),
    };
    let ca_file = ca_file();
    let config = ClientConfig::new(url);
    Ok(ClientConfig { credentials, no_credential, ca_file, connections, ..config })
}

/// Refuses a target that can never be one.
pub(in crate::commands) fn check_target(url: &str) -> anyhow::Result<()> {
    match parsed(url)?.scheme() {
        "http" | "https" | "file" | "s3" => Ok(()),
        other => bail!("cannot push to `{other}:`: a cache is https://…, file://… or s3://…"),
    }
}

/// The target of a push. Outer errors are mistakes of the user, the inner ones are those of the target.
pub(in crate::commands) async fn push_target(
    args: &TargetArgs,
    upstreams: &[String],
    store_dir: &StoreDir,
    environment: &Environment,
    push: &PushConfig,
) -> anyhow::Result<Result<PushTarget, PushError>> {
    match parsed(&args.to)?.scheme() {
        "http" | "https" => {
            let connections = push.jobs + MORE_CONNECTIONS;
            let mut config = client_config(&args.to, &args.credential, environment, connections)?;
            config.retry.attempts = args.attempts;
            config.liveness = push.liveness.clone();
            Ok(Ok(PushTarget::Cache(CacheClient::new(config)?)))
        }
        _ => {
            check_target(&args.to)?;
            let url = args.to.parse().with_context(|| format!("cannot push to {}", args.to))?;
            owner::check(&url)?;
            let upstreams: Vec<Url> =
                upstreams.iter().map(|url| parsed(url)).collect::<Result<_, _>>()?;
            let opened = StorageTarget::open(&url, store_dir, &upstreams).await;
            Ok(opened.map(PushTarget::Storage))
        }
    }
}

/// The file of authorities that Nix trusts.
pub(in crate::commands) fn ca_file() -> Option<CaFile> {
    CaFile::find(NixConf::of_process().get("ssl-cert-file"))
}

/// The caches whose paths are not pushed.
pub(in crate::commands) fn upstreams(
    urls: &[String],
    args: &CredentialArgs,
    liveness: &Liveness,
) -> anyhow::Result<Vec<CacheClient>> {
    let client = |text: &String| {
        let url = parsed(text)?;
        let own = Credentials::of_url(&url);
        let credentials = match own {
            Some(own) => own,
            None => credential::of_netrc(args, &url)?,
        };
        let (ca_file, liveness) = (ca_file(), liveness.clone());
        let config = ClientConfig::new(url);
        Ok(CacheClient::new(ClientConfig { credentials, ca_file, liveness, ..config })?)
    };
    urls.iter().map(client).collect()
}

/// The URL of a cache as it may be shown: without login and password.
pub(in crate::commands) fn without_login(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return "the cache".to_owned() };
    // A URL without a host has no login.
    _ = url.set_password(None);
    _ = url.set_username("");
    url.into()
}

fn parsed(url: &str) -> anyhow::Result<Url> {
    // The text may hold a password.
    Url::parse(url).context("this is no URL of a cache: https://…, file:///… or s3://… is expected")
}

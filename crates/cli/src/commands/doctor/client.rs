//! A cache as a client sees it, and this machine as the client.

use std::{fs, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use rns_client::{Credentials, plain_url};
use rns_doctor::{
    DoctorReport, Outcome,
    cache::{self, CacheSubject, CacheView},
    machine::{self, DoctorTarget, MachineSubject, NixConf},
    run_all,
};
use rns_nix_store::StoreConfig;
use url::Url;

use super::local_paths;
use crate::{commands::client, config::Environment, doctor_args::DoctorArgs};

/// Looks at one cache, and at this machine as its client.
pub(super) async fn of_cache(
    url: &str,
    args: &DoctorArgs,
    environment: &Environment,
) -> anyhow::Result<DoctorReport> {
    // The text may hold a password.
    let url = Url::parse(url).context("this is no URL of a cache: https://… is expected")?;
    let store = client::store_config(&args.store, environment)?;
    let nix_conf = Arc::new(NixConf::of_process());
    let address = address(url, args, environment)?;
    let view = CacheView {
        url: address.url.clone(),
        credentials: address.credentials.clone(),
        pushes: args.push,
        store_dir: store.store_dir.clone(),
        keys: args.key.clone(),
        paths: local_paths::candidates(&args.path, &store)?,
        are_paths_named: !args.path.is_empty(),
        netrc: netrc(&nix_conf, args),
        nix_conf: Arc::clone(&nix_conf),
    };
    let subject = CacheSubject::new(view).context("cannot look at the cache")?;
    let mut report = run_all(cache::CACHE_CHECKS, &subject).await;
    let machine = machine(vec![address], &store, nix_conf, args, environment);
    report.extend(run_all(machine::MACHINE_CHECKS, &machine).await);
    Ok(report)
}

/// Looks at this machine as a client of the caches in its configuration.
pub(super) async fn of_machine(
    args: &DoctorArgs,
    environment: &Environment,
) -> anyhow::Result<DoctorReport> {
    let store = client::store_config(&args.store, environment)?;
    let nix_conf = Arc::new(NixConf::of_process());
    let urls = nix_conf.substituters().into_iter().filter_map(|url| Url::parse(&url).ok());
    let urls = urls.filter(|url| matches!(url.scheme(), "http" | "https"));
    let caches = urls.map(|url| address(url, args, environment)).collect::<Result<_, _>>()?;
    let machine = machine(caches, &store, nix_conf, args, environment);
    let mut report = run_all(machine::MACHINE_CHECKS, &machine).await;
    let urls: Vec<String> = machine.caches.iter().map(|cache| plain_url(&cache.url)).collect();
    if let Some(first) = urls.first() {
        let what = format!("the caches of nix.conf themselves were not asked: {}", urls.join(", "));
        report
            .add("caches", Outcome::Hint { what, mend: format!("rust-nix-serve doctor {first}") });
    }
    Ok(report)
}

fn address(url: Url, args: &DoctorArgs, environment: &Environment) -> anyhow::Result<DoctorTarget> {
    // Who shows a certificate is known by it.
    let needs_no_netrc = client::is_explicit(&args.credential, &url, environment)
        || url.query_pairs().any(|(name, _)| name == "tls-certificate");
    let credentials = match client::credential(&args.credential, &url, environment) {
        Ok(credentials) => credentials,
        // A netrc file that cannot be read is a finding.
        Err(_) if !needs_no_netrc => Credentials::Anonymous,
        Err(error) => return Err(error),
    };
    Ok(DoctorTarget { url, credentials, needs_no_netrc })
}

/// The netrc file, and true if the user named it.
fn netrc(nix_conf: &NixConf, args: &DoctorArgs) -> (PathBuf, bool) {
    let named = args.credential.netrc_file.clone();
    named.map_or_else(|| (nix_conf.netrc_file(), false), |file| (file, true))
}

fn machine(
    caches: Vec<DoctorTarget>,
    store: &StoreConfig,
    nix_conf: Arc<NixConf>,
    args: &DoctorArgs,
    environment: &Environment,
) -> MachineSubject {
    MachineSubject {
        caches,
        netrc: netrc(&nix_conf, args),
        disk_caches: disk_caches(environment),
        keys: args.key.clone(),
        store_dir: store.store_dir.clone(),
        user: environment.get("USER").unwrap_or("root").to_owned(),
        nix_conf,
    }
}

/// The files in which Nix remembers answers of caches: those of the user, and those of the daemon.
fn disk_caches(environment: &Environment) -> Vec<PathBuf> {
    let own = match environment.get("XDG_CACHE_HOME") {
        Some(directory) => Some(PathBuf::from(directory)),
        None => environment.get("HOME").map(|home| PathBuf::from(home).join(".cache")),
    };
    let daemon = Some(PathBuf::from("/root/.cache")).filter(|daemon| own.as_ref() != Some(daemon));
    let directories = own.into_iter().chain(daemon).map(|directory| directory.join("nix"));
    let entries = directories.filter_map(|directory| fs::read_dir(directory).ok()).flatten();
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_cache = |file: &PathBuf| {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("binary-cache-v") && name.ends_with(".sqlite")
    };
    let mut files: Vec<PathBuf> = files.filter(is_cache).collect();
    files.sort_unstable();
    files
}

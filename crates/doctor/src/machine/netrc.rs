//! The netrc file: readable, private, and with an entry for each cache that wants a credential.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use rns_client::{Netrc, netrc_host, plain_url, why_no_credential};
use url::Url;

use super::{DoctorTarget, MachineSubject};
use crate::{Finding, FindingId, Outcome};

/// The permissions of others than the owner and the group.
const OTHERS: u32 = 0o007;

pub(super) async fn check(machine: &MachineSubject) -> Outcome {
    let (file, is_named) = &machine.netrc;
    let name = file.display();
    let metadata = match fs::metadata(file) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => {
            let findings = missing(machine, &Netrc::default()).await;
            return match findings.is_empty() {
                true => Outcome::NotApplicable,
                false => Outcome::Wrong(findings),
            };
        }
        Err(error) => {
            let mend = format!(
                "install -m 600 /dev/null {name}   # and: machine HOST login NAME password TOKEN"
            );
            let what = format!("{name} cannot be read: {error}");
            return Outcome::wrong(Finding::new(FindingId::NetrcUnreadable, what, mend));
        }
    };
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        // That of the system is for root, whose daemon reads it.
        Err(error)
            if error.kind() == io::ErrorKind::PermissionDenied
                && !is_named
                && metadata.uid() == 0 =>
        {
            return Outcome::Unchecked(format!("{name} is for root alone: run this as root"));
        }
        Err(error) => {
            let what = format!("{name} cannot be read: {error}");
            let mend = format!("chown \"$(id -u)\" {name} && chmod 600 {name}");
            return Outcome::wrong(Finding::new(FindingId::NetrcUnreadable, what, mend));
        }
    };
    let mut findings = Vec::new();
    if metadata.mode() & OTHERS != 0 {
        findings.push(Finding::new(
            FindingId::NetrcOpen,
            format!("{name} has mode {:o}", metadata.mode() & 0o777),
            format!("chmod 600 {name}"),
        ));
    }
    let netrc = Netrc::parse(&text);
    for cache in with_netrc(machine) {
        let Some(host) = netrc_host(&cache.url) else { continue };
        if netrc.entry(&cache.url).is_some_and(|entry| entry.login.is_none()) {
            findings.push(Finding::new(
                FindingId::NetrcNoLogin,
                format!("the entry for {host} in {name} has no login"),
                line(file, host),
            ));
        }
    }
    findings.extend(missing(machine, &netrc).await);
    Outcome::of(findings, format!("{name} is private and complete"))
}

/// The caches whose credential can only come from the netrc file.
fn with_netrc(machine: &MachineSubject) -> impl Iterator<Item = &DoctorTarget> {
    machine.caches.iter().filter(|cache| !cache.needs_no_netrc)
}

/// The caches that ask for a credential, and have no entry.
async fn missing(machine: &MachineSubject, netrc: &Netrc) -> Vec<Finding> {
    use rns_client::RequestFailure::{Forbidden, Unauthorised};
    let file = &machine.netrc.0;
    let mut findings = Vec::new();
    for cache in with_netrc(machine) {
        let Some(host) = netrc_host(&cache.url).filter(|_| netrc.entry(&cache.url).is_none())
        else {
            continue;
        };
        let Some(client) = cache.client(&machine.nix_conf) else { continue };
        let Some(error) = client.info().await.err() else { continue };
        if !matches!(error.failure, Unauthorised(_) | Forbidden(_)) {
            continue;
        }
        let others: Vec<&str> =
            netrc.entries.iter().filter_map(|entry| entry.machine.as_deref()).collect();
        findings.push(match others.as_slice() {
            [] => credential_missing(file, &cache.url),
            others => Finding::new(
                FindingId::NetrcOtherHost,
                format!(
                    "{host} asks for a credential, and {} has one for {}",
                    file.display(),
                    others.join(", ")
                ),
                line(file, host),
            ),
        });
    }
    findings
}

/// The finding about a cache that asks for a credential where the netrc file has none for it.
pub(crate) fn credential_missing(file: &Path, url: &Url) -> Finding {
    let why = why_no_credential(file, url);
    Finding::new(
        FindingId::CredentialMissing,
        format!("{} refuses clients without a credential, and {why}", plain_url(url)),
        line(file, netrc_host(url).unwrap_or_default()),
    )
}

/// The line that the netrc file should have.
fn line(file: &Path, host: &str) -> String {
    format!("{}: machine {host} login NAME password TOKEN", file.display())
}

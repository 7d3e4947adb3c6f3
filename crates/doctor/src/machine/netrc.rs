//! The netrc file: readable, private, and with an entry for each cache that wants a credential.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use rns_client::{Netrc, netrc_host, percent_decoded, plain_url, why_no_credential};
use rustix::process::geteuid;
use url::Url;

use super::{DoctorTarget, MachineSubject};
use crate::{Finding, FindingId, Outcome};

/// The permissions of others than the owner and the group.
const OTHERS: u32 = 0o007;

/// The result of reading a netrc file.
enum NetrcLook {
    Absent,
    /// It is that of the system, which root reads. The reason why nothing is known.
    ForRoot(String),
    Unreadable(Finding),
    /// Its entries and its permissions.
    Read(Netrc, u32),
}

pub(super) async fn check(machine: &MachineSubject) -> Outcome {
    let (file, is_named) = &machine.netrc;
    let name = file.display();
    let (netrc, mode) = match look(file, *is_named) {
        NetrcLook::Absent => {
            let findings = missing(machine, &Netrc::default()).await;
            return match findings.is_empty() {
                true => Outcome::NotApplicable,
                false => Outcome::Wrong(findings),
            };
        }
        NetrcLook::ForRoot(why) => return Outcome::Unchecked(why),
        NetrcLook::Unreadable(finding) => return Outcome::wrong(finding),
        NetrcLook::Read(netrc, mode) => (netrc, mode),
    };
    let mut findings = Vec::new();
    if mode & OTHERS != 0 {
        findings.push(Finding::new(
            FindingId::NetrcOpen,
            format!("{name} has mode {:o}", mode & 0o777),
            format!("chmod 600 {name}"),
        ));
    }
    for cache in with_netrc(machine) {
        let Some(host) = netrc_host(&cache.url) else { continue };
        if netrc.entry(&cache.url).is_some_and(|entry| entry.login.is_none()) {
            findings.push(Finding::new(
                FindingId::NetrcNoLogin,
                format!("the entry for {host} in {name} has no login"),
                line(file, &cache.url),
            ));
        }
    }
    findings.extend(missing(machine, &netrc).await);
    Outcome::of(findings, format!("{name} is private and complete"))
}

fn look(file: &Path, is_named: bool) -> NetrcLook {
    let name = file.display();
    let unreadable = |error: io::Error, mend: String| {
        let what = format!("{name} cannot be read: {error}");
        NetrcLook::Unreadable(Finding::new(FindingId::NetrcUnreadable, what, mend))
    };
    let make = format!("install -m 600 /dev/null {name}");
    let entry = "# and: machine HOST login NAME password TOKEN";
    let metadata = match fs::metadata(file) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => {
            return NetrcLook::Absent;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return unreadable(error, format!("{make}   {entry}"));
        }
        Err(error) => {
            let mend = format!("namei -l {name}   # each directory has to let you through");
            return unreadable(error, mend);
        }
    };
    let error = match fs::read_to_string(file) {
        Ok(text) => return NetrcLook::Read(Netrc::parse(&text), metadata.mode()),
        Err(error) => error,
    };
    let own = geteuid().as_raw();
    if error.kind() != io::ErrorKind::PermissionDenied {
        // A directory, or no text.
        unreadable(error, format!("mv {name} {name}.old && {make}   {entry}"))
    } else if metadata.uid() == own {
        unreadable(error, format!("chmod 600 {name}"))
    } else if !is_named && metadata.uid() == 0 {
        // The daemon runs as root, and reads it.
        NetrcLook::ForRoot(format!("{name} is for root alone: run this as root"))
    } else {
        unreadable(error, format!("sudo chown {own} {name} && sudo chmod 600 {name}"))
    }
}

/// The caches whose credential can only come from the netrc file.
fn with_netrc(machine: &MachineSubject) -> impl Iterator<Item = &DoctorTarget> {
    machine.caches.iter().filter(|cache| !cache.needs_no_netrc)
}

/// The findings about caches that ask for a credential, and have no entry.
async fn missing(machine: &MachineSubject, netrc: &Netrc) -> Vec<Finding> {
    use rns_client::RequestFailure::{Forbidden, Unauthorised};
    let mut findings = Vec::new();
    for cache in with_netrc(machine) {
        if netrc_host(&cache.url).is_none() || netrc.entry(&cache.url).is_some() {
            continue;
        }
        let Some(client) = cache.client(&machine.nix_conf) else { continue };
        let Some(error) = client.info().await.err() else { continue };
        if matches!(error.failure, Unauthorised(_) | Forbidden(_)) {
            findings.push(lacking(netrc, &machine.netrc.0, &cache.url));
        }
    }
    findings
}

/// The outcome for a cache that asks for a credential where this machine has none for it.
pub(crate) fn no_credential((file, is_named): (&Path, bool), url: &Url) -> Outcome {
    match look(file, is_named) {
        NetrcLook::Absent => Outcome::wrong(lacking(&Netrc::default(), file, url)),
        NetrcLook::Read(netrc, _) => Outcome::wrong(lacking(&netrc, file, url)),
        NetrcLook::Unreadable(finding) => Outcome::wrong(finding),
        NetrcLook::ForRoot(why) => Outcome::Unchecked(why),
    }
}

/// The finding about a netrc file without a credential for a cache.
fn lacking(netrc: &Netrc, file: &Path, url: &Url) -> Finding {
    let (host, name) = (netrc_host(url).unwrap_or_default(), file.display());
    let mend = line(file, url);
    let entries = netrc.entries.iter();
    let others: Vec<&str> = entries.filter_map(|entry| entry.machine.as_deref()).collect();
    // One for this host may have another login, or no password.
    let is_host = |other: &&str| other.eq_ignore_ascii_case(host);
    if netrc.entry(url).is_none() && !others.is_empty() && !others.iter().any(is_host) {
        let others = others.join(", ");
        let what = format!("{host} asks for a credential, and {name} has one for {others}");
        return Finding::new(FindingId::NetrcOtherHost, what, mend);
    }
    let why = why_no_credential(file, url);
    let what = format!("{} refuses clients without a credential, and {why}", plain_url(url));
    Finding::new(FindingId::CredentialMissing, what, mend)
}

/// The line that the netrc file should have.
fn line(file: &Path, url: &Url) -> String {
    // Nix takes the entry with the login of the URL.
    let login = percent_decoded(url.username());
    let login = if login.is_empty() { "NAME" } else { &login };
    let host = netrc_host(url).unwrap_or_default();
    format!("{}: machine {host} login {login} password TOKEN", file.display())
}

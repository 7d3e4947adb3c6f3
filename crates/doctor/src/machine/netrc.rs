//! The netrc file: readable, private, and with an entry for the cache.

use std::{fs, io, os::unix::fs::MetadataExt as _};

use rns_client::Netrc;

use super::MachineSubject;
use crate::{Finding, FindingId, Outcome};

/// The permissions of others than the owner and the group.
const OTHERS: u32 = 0o007;

pub(super) async fn check(machine: &MachineSubject) -> Outcome {
    let (file, is_named) = &machine.netrc;
    let name = file.display();
    let metadata = match fs::metadata(file) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => {
            return Outcome::NotApplicable;
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
    for cache in machine.caches.iter().filter(|cache| !cache.needs_no_netrc) {
        let Some(host) = cache.url.host_str() else { continue };
        match netrc.entry(host) {
            Some(entry) if entry.login.is_none() => findings.push(Finding::new(
                FindingId::NetrcNoLogin,
                format!("the entry for {host} in {name} has no login"),
                format!("{name}: machine {host} login NAME password TOKEN"),
            )),
            Some(_) => {}
            None => findings.extend(missing(machine, cache, &netrc).await),
        }
    }
    Outcome::of(findings, format!("{name} is private and complete"))
}

/// A missing entry matters where the cache asks for a credential.
async fn missing(
    machine: &MachineSubject,
    cache: &super::CacheAddress,
    netrc: &Netrc,
) -> Option<Finding> {
    use rns_client::Failure::{Forbidden, Unauthorised};
    let error = cache.client()?.info().await.err()?;
    if !matches!(error.failure, Unauthorised(_) | Forbidden(_)) {
        return None;
    }
    let (host, name) = (cache.url.host_str()?, machine.netrc.0.display());
    let others: Vec<&str> =
        netrc.entries.iter().filter_map(|entry| entry.machine.as_deref()).collect();
    let has = if others.is_empty() { "nothing".to_owned() } else { others.join(", ") };
    Some(Finding::new(
        FindingId::NetrcOtherHost,
        format!("{host} asks for a credential, and {name} has one for {has}"),
        format!("{name}: machine {host} login NAME password TOKEN"),
    ))
}

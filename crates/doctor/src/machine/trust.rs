//! Settings of a user that the daemon ignores.

use std::{env, fs};

use rns_client::plain_url;
use rustix::{
    fs::{Access, access},
    process::geteuid,
};
use url::Url;

use super::{DoctorTarget, MachineSubject, NixConf};
use crate::{Finding, FindingId, Outcome};

/// The groups of this machine.
const GROUPS_FILE: &str = "/etc/group";

/// Whether the daemon trusts a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    Yes,
    No,
    /// A group is trusted whose members are not known here.
    Unknown,
}

/// Returns true for a cache in the nix.conf of this user that the daemon ignores, because it does not trust the user.
#[must_use]
pub fn is_ignored(conf: &NixConf, user: &str, url: &Url) -> bool {
    !of_system(conf).contains(&plain_url(url)) && trust(conf, user) == Trust::No
}

/// The caches that every user may use.
fn of_system(conf: &NixConf) -> Vec<String> {
    let names = ["substituters", "trusted-substituters"].iter();
    let urls = names.flat_map(|name| conf.system_words(name));
    urls.filter_map(|url| Some(plain_url(&Url::parse(&url).ok()?))).collect()
}

pub(super) async fn check(machine: &MachineSubject) -> Outcome {
    let conf = &machine.nix_conf;
    let of_system = of_system(conf);
    let used = machine.caches.iter().filter(|cache| conf.substitutes_from(&cache.url));
    let of_user = used.map(DoctorTarget::plain).filter(|url| !of_system.contains(url));
    let of_user: Vec<String> = of_user.collect();
    if of_user.is_empty() {
        return Outcome::Sound("no setting is ignored".to_owned());
    }
    match trust(conf, &machine.user) {
        Trust::Yes => return Outcome::Sound(format!("the daemon trusts {}", machine.user)),
        Trust::Unknown => {
            return Outcome::Unchecked(
                "trusted-users names groups with unknown members".to_owned(),
            );
        }
        Trust::No => {}
    }
    let findings = of_user.into_iter().map(|url| {
        Finding::new(
            FindingId::UserNotTrusted,
            format!(
                "{url} is only in the nix.conf of {}, whom the daemon does not trust",
                machine.user
            ),
            format!("{}: extra-trusted-substituters = {url}", conf.system_file.display()),
        )
    });
    Outcome::of(findings.collect(), "no setting is ignored")
}

fn trust(conf: &NixConf, user: &str) -> Trust {
    let users = conf.system_words("trusted-users");
    if works_without_daemon(conf)
        || user == "root"
        || users.iter().any(|trusted| *trusted == "*" || *trusted == user)
    {
        return Trust::Yes;
    }
    let groups = fs::read_to_string(GROUPS_FILE).unwrap_or_default();
    let own = rustix::process::getgroups().unwrap_or_default();
    let own: Vec<u32> = own.iter().map(|group| group.as_raw()).collect();
    let memberships = users.iter().filter_map(|user| user.strip_prefix('@'));
    let memberships = memberships.map(|group| is_member(&groups, group, user, &own));
    memberships.fold(Trust::No, |trust, is_member| match (trust, is_member) {
        (Trust::Yes, _) | (_, Some(true)) => Trust::Yes,
        (Trust::Unknown, _) | (_, None) => Trust::Unknown,
        (Trust::No, Some(false)) => Trust::No,
    })
}

/// Returns true if Nix writes the store without the daemon, and so obeys the settings of this user. Returns false for root,
/// which can write every store and may run this for another user.
fn works_without_daemon(conf: &NixConf) -> bool {
    let remote = env::var("NIX_REMOTE").ok().filter(|store| !store.is_empty());
    match remote.as_deref().or_else(|| conf.get("store")) {
        None | Some("auto") => {
            let state = env::var_os("NIX_STATE_DIR").unwrap_or_else(|| "/nix/var/nix".into());
            !geteuid().is_root() && access(&*state, Access::READ_OK | Access::WRITE_OK).is_ok()
        }
        Some(store) => store != "daemon" && !store.starts_with("unix:"),
    }
}

/// Returns whether a user is a member of a group, by the text of the file of groups and the groups of this process. `None`:
/// the group is not in the file.
fn is_member(file: &str, group: &str, user: &str, own: &[u32]) -> Option<bool> {
    let entry = file.lines().find_map(|line| line.strip_prefix(group)?.strip_prefix(':'))?;
    let mut fields = entry.split(':').skip(1);
    let number = fields.next().and_then(|number| number.parse().ok());
    let mut members = fields.next().unwrap_or_default().split(',');
    Some(members.any(|member| member == user) || number.is_some_and(|number| own.contains(&number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_those_of_the_file_and_of_the_process() {
        let file = "root:x:0:\nwheel:x:10:alice,bob\nwheels:x:11:carol\n";
        assert_eq!(is_member(file, "wheel", "bob", &[]), Some(true));
        assert_eq!(is_member(file, "wheel", "carol", &[100]), Some(false));
        assert_eq!(is_member(file, "wheels", "dave", &[100, 11]), Some(true));
        assert_eq!(is_member(file, "whee", "bob", &[]), None);
    }
}

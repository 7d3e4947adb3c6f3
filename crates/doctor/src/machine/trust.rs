//! Settings of a user that the daemon ignores.

use super::MachineSubject;
use crate::{Finding, FindingId, Outcome};

pub(super) async fn check(machine: &MachineSubject) -> Outcome {
    let conf = &machine.nix_conf;
    let plain =
        |url: &str| url.split('?').next().unwrap_or_default().trim_end_matches('/').to_owned();
    let used = conf.substituters();
    let of_system: Vec<String> = ["substituters", "trusted-substituters"]
        .iter()
        .flat_map(|name| conf.system_words(name))
        .map(|url| plain(&url))
        .collect();
    let users = conf.system_words("trusted-users");
    let is_trusted =
        machine.user == "root" || users.iter().any(|user| *user == "*" || *user == machine.user);
    if is_trusted {
        return Outcome::Sound(format!("the daemon trusts {}", machine.user));
    }
    if users.iter().any(|user| user.starts_with('@')) {
        return Outcome::Unchecked("trusted-users names groups".to_owned());
    }
    let ignored = machine
        .caches
        .iter()
        .map(super::CacheAddress::plain)
        .filter(|url| used.iter().any(|used| plain(used) == *url) && !of_system.contains(url));
    let findings = ignored.map(|url| {
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

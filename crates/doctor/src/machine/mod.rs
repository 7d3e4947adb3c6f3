//! This machine as a client: the configuration of Nix, the netrc file, and Nix's own cache of narinfos.

mod disk_cache;
pub(crate) mod netrc;
mod nix_conf;
mod subject;
mod trust;

use std::time::Duration;

use crate::Check;

pub use self::{
    nix_conf::NixConf,
    subject::{DoctorTarget, MachineSubject},
    trust::is_ignored,
};

/// The longest time of a check that reads files of this machine.
const FILES_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest time of a check that also asks the cache.
const ASK_TIMEOUT: Duration = Duration::from_secs(60);

/// All checks of a client.
pub const MACHINE_CHECKS: &[Check<MachineSubject>] = &[
    Check { name: "netrc", timeout: ASK_TIMEOUT, run: |machine| Box::pin(netrc::check(machine)) },
    Check {
        name: "trusted-users",
        timeout: FILES_TIMEOUT,
        run: |machine| Box::pin(trust::check(machine)),
    },
    Check {
        name: "disk-cache",
        timeout: ASK_TIMEOUT,
        run: |machine| Box::pin(disk_cache::check(machine)),
    },
];

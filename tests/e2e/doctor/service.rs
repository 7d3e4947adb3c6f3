//! The unit of the service, in the words of systemd.

use std::{fs, os::unix::fs::PermissionsExt as _};

use rns_testing::Standard;

use super::server::{of, with_file};
use crate::support::{SECRET_KEY, server};

#[test]
fn a_service_without_a_sandbox() {
    let standard = Standard::new();
    let builder = server().store(&standard.store).keys([SECRET_KEY]);
    // The words of systemd about a unit that sets nothing, and of one that sets everything.
    let look = |state: &str| {
        let lines = format!(
            "LoadState=loaded\\nNoNewPrivileges={state}\\nProtectSystem={state}\\nProtectHome={state}\\nPrivateTmp={state}\\n"
        );
        let doctor = of(&builder);
        let systemctl = doctor.scratch.write("systemctl", format!("#!/bin/sh\nprintf '{lines}'\n"));
        fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", doctor.scratch.path().display());
        doctor.env("PATH", path).run()
    };
    look("no").names(&["sandbox-missing"]);
    look("yes").is_silent();
}

#[test]
fn a_unit_that_may_not_write_into_the_storage() {
    let scratch = rns_testing::Scratch::new();
    let directory = scratch.join("cache");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("nix-cache-info"), "StoreDir: /nix/store\n").unwrap();
    let section = format!("[storage]\nurl = \"file://{}\"", directory.display());
    let builder = server().store_flag("enabled", false).section(&section);
    let file = scratch.write("config.toml", builder.configuration());
    let look = |lines: &str| {
        let doctor = with_file(&file);
        let lines = format!("#!/bin/sh\ncat <<END\nLoadState=loaded\n{lines}\nEND\n");
        let systemctl = doctor.scratch.write("systemctl", lines);
        fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", doctor.scratch.path().display());
        doctor.env("PATH", path).run()
    };
    let diagnosis = look("ProtectSystem=strict\nReadWritePaths=-/srv\nStateDirectory=other");
    diagnosis.names(&["storage-read-only", "index-behind"]);
    let (_, line) = diagnosis.mend().split_once("[Service] ").unwrap();
    look(&format!("ProtectSystem=strict\n{line}")).names(&["index-behind"]);
    let above = scratch.path().display();
    look(&format!("ProtectSystem=strict\nReadWritePaths=/srv -{above}")).names(&["index-behind"]);
    look(&format!("ProtectSystem=strict\nBindPaths=/srv:{above}:rbind")).names(&["index-behind"]);
    look("ProtectSystem=full").names(&["index-behind"]);
}

//! Secrets in the memory of commands are closed to other users.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use rns_testing::Scratch;

use crate::program;

/// A user that owns nothing.
const NOBODY: u32 = 65534;

#[test]
fn commands_that_read_a_secret_are_in_no_core_dump_either() {
    let scratch = Scratch::new();
    let (copy, tokens) = (scratch.join("program"), scratch.write("tokens", ""));
    fs::copy(program().get_program(), &copy).unwrap();
    chmod(&tokens, 0o600);
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if is_root {
        chmod(scratch.path(), 0o755);
        chown(&tokens, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let check = ["token", "check", "--file", tokens.to_str().unwrap()];
    for arguments in [&["key", "public"][..], &check] {
        let mut command = Command::new(&copy);
        command.args(arguments).env_clear().stdin(Stdio::piped());
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut child = command.spawn().unwrap();
        // The kernel gives the files of a process that may not be dumped to root. It waits for its input.
        let environment = format!("/proc/{}/environ", child.id());
        let is_kept = (0..500).any(|_| {
            thread::sleep(Duration::from_millis(10));
            fs::metadata(&environment).is_ok_and(|file| file.uid() == 0)
        });
        let is_running = child.try_wait().unwrap().is_none();
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(is_kept && is_running, "{arguments:?}");
    }
}

fn chmod(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

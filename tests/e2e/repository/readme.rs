//! The README's commands, pasted.

use std::{fs, path::Path, process::Command, time::Duration};

use rns_testing::{
    Process, Scratch, Standard,
    http::{Connection, Request},
    run,
};

use super::documents::{blocks, project};
use crate::support::{fields, narinfo_of};

/// The block that makes a key and a configuration, read by a shell as one that is pasted into it,
/// with its directories elsewhere.
#[test]
fn the_block_for_other_systems_leaves_a_server_that_signs() {
    let readme = fs::read_to_string(project().join("README.md")).unwrap();
    let is_wanted = |text: &str| text.contains("key generate");
    let blocks = blocks("README.md", &readme);
    let block = blocks.iter().find(|block| is_wanted(&block.text)).unwrap();
    assert_eq!(block.language, "sh");

    let (standard, scratch) = (Standard::new(), Scratch::new());
    let own = format!("{}/", scratch.path().display());
    let pasted = block.text.replace("/etc/", &own).replace("/run/", &own);
    let pasted = scratch.write("pasted", pasted);
    let program = Path::new(env!("CARGO_BIN_EXE_rust-nix-serve"));
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    let command = |name: &Path| {
        let mut command = Command::new(name);
        command.env_clear().env("PATH", &path);
        command.env("RUST_NIX_SERVE_CONFIG", scratch.join("rust-nix-serve/config.toml"));
        command.env("RUST_NIX_SERVE_STORE_ROOT", standard.store.root());
        command.env("RUST_NIX_SERVE_STORE_DAEMON_SOCKET", "none");
        command
    };
    // On standard input, where a command that reads too much swallows the commands behind it.
    let mut shell = command(Path::new("bash"));
    shell.args(["-c", "exec bash <\"$0\""]).arg(pasted);
    let shell = run(&mut shell, Duration::from_secs(120)).success();
    assert!(shell.text().ends_with("config.toml: no problem found\n"), "{}", shell.text());
    assert_eq!(shell.stderr, "");

    let mut server = Process::start(command(program).arg("serve"));
    server.wait_for_line("listening on ");
    let mut connection = Connection::unix(&scratch.join("rust-nix-serve/http.sock"));
    let narinfo = connection.send(&Request::get(narinfo_of(&standard.tree)));
    let signatures = fields(&narinfo, "Sig");
    let ours = |signature: &&str| signature.starts_with("cache.example.org-1:");
    assert!(signatures.iter().any(ours), "{signatures:?}");
}

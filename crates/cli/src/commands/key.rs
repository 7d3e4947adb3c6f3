//! `key generate`, `key public` and `key fingerprint`.

use std::{
    fs::{self, OpenOptions},
    io::{self, IsTerminal as _, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, bail};
use rns_formats::{KeyName, PublicKey, SecretKey};

use crate::{
    args::KeyCommand,
    output::{CommandAnswer, print, tell},
};

/// Makes or converts keys.
pub(super) fn run(command: &KeyCommand) -> anyhow::Result<CommandAnswer> {
    rns_server::keep_secrets();
    match command {
        KeyCommand::Generate { name, output } => generate(name, output.as_deref())?,
        KeyCommand::Public { files } => each(files, print_public)?,
        KeyCommand::Fingerprint { files } => each(files, print_fingerprints)?,
    }
    Ok(CommandAnswer::Yes)
}

fn generate(name: &str, output: Option<&Path>) -> anyhow::Result<()> {
    let name = KeyName::parse(name).with_context(|| format!("`{name}` cannot name a key"))?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow!("no random numbers: {error}"))?;
    let key = SecretKey::from_seed(name, &seed);
    let public = key.public_key();
    // Neither Nix nor we end a key file with a newline.
    let secret = key.to_secret_string();
    match output {
        Some(path) => {
            write_new(path, secret.as_bytes()).with_context(|| match path.exists() {
                true => format!(
                    "{0} is there already, and stays: `rust-nix-serve key public {0}` shows its public key",
                    path.display()
                ),
                false => format!("cannot write the secret key to {}", path.display()),
            })?;
            print(&format!("{public}\n"))?;
        }
        None => {
            print(&secret)?;
            if io::stdout().is_terminal() {
                print("\n")?;
            }
            tell(&format!("public key: {public}"));
            tell(&format!("fingerprint: {}", public.fingerprint()));
        }
    }
    Ok(())
}

/// Writes a file that was not there before and that only its owner can read.
fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Does something with the text of each file, or with standard input.
fn each(files: &[PathBuf], act: impl Fn(&str, &str) -> anyhow::Result<()>) -> anyhow::Result<()> {
    if files.is_empty() {
        return act(&read_input()?, "standard input");
    }
    for path in files {
        if path == Path::new("-") {
            act(&read_input()?, "standard input")?;
            continue;
        }
        let text = fs::read_to_string(path);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        act(&text, &path.display().to_string())?;
    }
    Ok(())
}

fn read_input() -> anyhow::Result<String> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    Ok(text)
}

fn print_public(text: &str, name: &str) -> anyhow::Result<()> {
    let key = SecretKey::parse(text).with_context(|| format!("{name} is not a secret key"))?;
    print(&format!("{}\n", key.public_key())).context("cannot print the public key")
}

/// Prints a line for each line of the text, which holds a key, secret or public.
fn print_fingerprints(text: &str, name: &str) -> anyhow::Result<()> {
    let mut lines = String::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        // No error may repeat a part of a secret key.
        let key = PublicKey::parse(line)
            .or_else(|_| SecretKey::parse(line).map(|secret| secret.public_key()))
            .map_err(|_| anyhow!("{name} holds something else than secret and public keys"))?;
        lines.push_str(&format!("{} {}\n", key.name(), key.fingerprint()));
    }
    if lines.is_empty() {
        bail!("{name} holds no key");
    }
    print(&lines).context("cannot print the fingerprint")
}

//! `use`: sets up this machine as a client of a cache.

mod block;
mod effect;
mod file;
mod netrc;
mod snippet;

use std::{
    fs,
    io::{self, BufRead as _, IsTerminal as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use rns_client::{
    CaFile, CacheClient, ClientConfig, Credentials, RequestError, RequestFailure, netrc_host,
    plain_url,
};
use rns_doctor::machine::NixConf;
use rns_formats::{PublicKey, Sha256Digest};
use url::Url;

use self::{
    block::{Block, BlockPlace, difference},
    effect::doubts,
    file::{FileChange, turn},
    netrc::NetrcFile,
};
use crate::{
    commands::client,
    config::Environment,
    output::{CommandAnswer, print, tell},
    use_args::UseArgs,
};

/// The command that has the Nix daemon read its configuration again.
const RESTART: &str = if cfg!(target_os = "macos") {
    "sudo launchctl kickstart -k system/org.nixos.nix-daemon"
} else {
    "sudo systemctl restart nix-daemon.service"
};

/// The login of tokens. The server takes any, and old versions of curl use no entry without one.
const TOKEN_LOGIN: &str = "rust-nix-serve";

/// The permissions of a nix.conf that is made.
const CONF_MODE: u32 = 0o644;

/// Shows the change that lets this machine use a cache, and makes it.
pub(super) fn run(args: &UseArgs, environment: &Environment) -> anyhow::Result<CommandAnswer> {
    // The text may hold a password.
    let url = Url::parse(&args.url).context("this is no URL of a cache: https://… is expected")?;
    if !matches!(url.scheme(), "http" | "https") {
        bail!(
            "`{}:` is no address of a server that could be asked: https://… is expected",
            url.scheme()
        );
    }
    let credential = match &args.token_file {
        Some(file) => Some(Credentials::of_token_file(file).context("cannot use --token-file")?),
        None => Credentials::of_url(&url),
    };
    let plain = plain_url(&url);
    if args.undo {
        return change(args, &url, &[], None, environment);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let asked = runtime.context("no runtime")?.block_on(ask(
        &url,
        credential.clone().unwrap_or_default(),
        client::ca_file(),
    ));
    let mut needs_token = credential.is_some();
    let named = match asked {
        Ok(keys) => keys,
        // The user states the key, and another machine has the token.
        Err(error) if args.print.is_some() && !args.key.is_empty() && wants_token(&error) => {
            needs_token = true;
            Vec::new()
        }
        Err(error) => {
            tell(&format!("rust-nix-serve: {error}"));
            if wants_token(&error) && credential.is_none() {
                tell(
                    "--token-file FILE has the token of this machine; on the server, `rust-nix-serve token create NAME \
                     --allow read` makes one",
                );
            }
            return Ok(if error.is_unreachable() {
                CommandAnswer::Unreachable
            } else {
                CommandAnswer::No
            });
        }
    };
    if let Some(other) = args.key.iter().find(|key| !named.is_empty() && !named.contains(key)) {
        tell(&format!("rust-nix-serve: {plain} does not sign with {other}: nothing was changed"));
        return Ok(CommandAnswer::No);
    }
    let keys = if args.key.is_empty() { &named } else { &args.key };
    if let Some(strange) = keys.iter().find(|key| !is_plain_name(key.name().as_str())) {
        tell(&format!(
            "rust-nix-serve: the name of the key {strange} would mean something else in a configuration: nothing was changed"
        ));
        return Ok(CommandAnswer::No);
    }
    tell(&about_keys(&plain, keys, args.key.is_empty()));
    if let Some(place) = args.print {
        let private_host = netrc_host(&url).filter(|_| needs_token);
        print(&snippet::snippet(place, &substituter(&url), keys, private_host))?;
        return Ok(CommandAnswer::Yes);
    }
    let answer = change(args, &url, &settings(&url, keys), credential.as_ref(), environment)?;
    if answer == CommandAnswer::Yes {
        let conf = NixConf::of_process();
        let conf = if args.system { NixConf::of_file(&conf.system_file) } else { conf };
        doubts(&conf, &url, keys, args.system, environment).iter().for_each(|doubt| tell(doubt));
    }
    Ok(answer)
}

/// The URL as nix.conf has it: without login, and with the parameters that the user gives it.
fn substituter(url: &Url) -> String {
    let plain = plain_url(url);
    url.query().map_or_else(|| plain.clone(), |query| format!("{plain}?{query}"))
}

/// Returns true if the name of a key is only a name where it is copied to: nix.conf has comments, and other languages have
/// quotation marks and expressions.
fn is_plain_name(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | '+' | '@' | '/'))
}

/// Returns true if the cache answers only requests with a token.
const fn wants_token(error: &RequestError) -> bool {
    matches!(error.failure, RequestFailure::Unauthorised(_) | RequestFailure::Forbidden(_))
}

/// Asks the cache for its keys, and whether it is one.
async fn ask(
    url: &Url,
    credentials: Credentials,
    ca_file: Option<CaFile>,
) -> Result<Vec<PublicKey>, RequestError> {
    let config = ClientConfig::new(url.clone());
    let client = CacheClient::new(ClientConfig { credentials, ca_file, ..config })?;
    client.info().await?;
    client.public_keys().await
}

/// The decision of the user.
fn about_keys(url: &str, keys: &[PublicKey], are_of_cache: bool) -> String {
    let mut text = String::new();
    for key in keys {
        let fingerprint = Sha256Digest::of(key.as_bytes()).to_sri();
        text.push_str(&format!("key {}  fingerprint {fingerprint}\n", key.name()));
    }
    text.push_str(&match (keys.is_empty(), are_of_cache) {
        (true, _) => format!("{url} names no key: paths are accepted only with keys that are trusted already."),
        (false, true) => format!(
            "Only {url} itself vouches for this. The holder of such a key can put programs onto this machine: \
             to trust it is your decision. Compare the fingerprint with that of its owner, or state the key with --key."
        ),
        (false, false) => format!("{url} is trusted with the key that you state."),
    });
    text
}

/// The lines of nix.conf.
fn settings(url: &Url, keys: &[PublicKey]) -> Vec<String> {
    let mut lines = vec![format!("extra-substituters = {}", substituter(url))];
    if !keys.is_empty() {
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        lines.push(format!("extra-trusted-public-keys = {}", keys.join(" ")));
    }
    lines
}

/// The changes of nix.conf and, with a token, of the netrc file.
fn changes(
    args: &UseArgs,
    url: &Url,
    settings: &[String],
    credential: Option<&Credentials>,
    (file, system): (&Path, &Path),
) -> anyhow::Result<Vec<FileChange>> {
    let block = Block::of(&plain_url(url));
    let text = fs::read_to_string(file).unwrap_or_default();
    let netrc = NetrcFile::find(file, &text, system)?;
    let own = block.inside(&text).with_context(|| file.display().to_string())?;
    let mut lines = settings.to_vec();
    let mut changes = Vec::new();
    let entry = match credential {
        Some(Credentials::Token(token)) => Some((TOKEN_LOGIN, token.as_str())),
        Some(Credentials::Password(login, password)) => Some((login.as_str(), password.as_str())),
        Some(Credentials::Anonymous) | None => None,
    };
    match entry {
        Some((login, password)) => {
            lines.extend(netrc.setting());
            let host = netrc_host(url).unwrap_or_default();
            changes.push(netrc.put(&block, host, (login, password))?);
        }
        None if args.undo => changes.push(netrc.remove(&block)?),
        // The token of an earlier run stays.
        None => lines.extend(netrc.setting().filter(|line| own.contains(&&**line))),
    }
    changes.push(FileChange::of(file, CONF_MODE, |text| block.put(text, &lines, BlockPlace::End))?);
    changes.retain(|change| change.old != change.new);
    Ok(changes)
}

/// Shows the changes, and makes them if they are wanted.
fn change(
    args: &UseArgs,
    url: &Url,
    settings: &[String],
    credential: Option<&Credentials>,
    environment: &Environment,
) -> anyhow::Result<CommandAnswer> {
    let system = &NixConf::of_process().system_file;
    let file = if args.system { system.clone() } else { user_file(environment)? };
    let directory = file.parent().unwrap_or_else(|| Path::new("/"));
    // Without --yes the lock is taken after the answer: a user may take long, and other programs would wait.
    let mut own_turn = None;
    if args.yes {
        if !args.undo {
            // A failure is told with the file that cannot be written.
            _ = fs::create_dir_all(directory);
        }
        own_turn = turn(directory);
    }
    let changes = changes(args, url, settings, credential, (&file, system))?;
    if changes.is_empty() {
        print("Nothing has to be changed.\n")?;
        if args.undo && !args.system && is_in_system_file(&args.url) {
            tell(
                "The lines of this cache are in the nix.conf of the system: --system takes them out.",
            );
        }
        return Ok(CommandAnswer::Yes);
    }
    for change in &changes {
        let lines = hidden(&difference(&change.old, &change.new));
        print(&format!("{}:\n{lines}", change.file.display()))?;
    }
    if !args.yes && !is_wanted()? {
        tell("Nothing was changed.");
        return Ok(CommandAnswer::No);
    }
    let _turn = own_turn.or_else(|| turn(directory));
    changes.iter().try_for_each(FileChange::check)?;
    changes.iter().try_for_each(FileChange::make)?;
    if args.undo {
        print("Done.\n")?;
    } else {
        let system = if args.system { " --system" } else { "" };
        print(&format!(
            "Done. `rust-nix-serve use {}{system} --undo` takes it back.\n",
            client::without_login(&args.url)
        ))?;
    }
    if args.system {
        print(&format!("The Nix daemon reads it when it starts: {RESTART}\n"))?;
    }
    Ok(CommandAnswer::Yes)
}

/// Returns true if the nix.conf of the system has the block of a cache.
fn is_in_system_file(url: &str) -> bool {
    let text = fs::read_to_string(NixConf::of_process().system_file).unwrap_or_default();
    let block = Url::parse(url).map(|url| Block::of(&plain_url(&url)));
    block.is_ok_and(|block| block.inside(&text).is_ok_and(|lines| !lines.is_empty()))
}

/// Asks for consent at a terminal. Without one, the answer is no.
fn is_wanted() -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        tell("This is no terminal: --yes makes the change without a question.");
        return Ok(false);
    }
    print("Make this change? [y/N] ")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The lines of a difference with all behind a word `password` left out, also where the token is on the next line.
fn hidden(lines: &str) -> String {
    let mut is_token_next = false;
    lines.lines().fold(String::new(), |text, line| {
        let (sign, line) = line.split_at_checked(2).unwrap_or((line, ""));
        let shown = if is_token_next && !line.trim().is_empty() {
            is_token_next = false;
            "…".to_owned()
        } else if let Some((before, after)) = around_password(line) {
            is_token_next = after.trim().is_empty();
            format!("{before}password …")
        } else {
            line.to_owned()
        };
        format!("{text}  {sign}{shown}\n")
    })
}

/// The text before the first word `password`, and behind it.
fn around_password(line: &str) -> Option<(&str, &str)> {
    line.match_indices("password").find_map(|(start, word)| {
        let (before, rest) = line.split_at_checked(start)?;
        let after = rest.strip_prefix(word)?;
        let is_word = before.chars().next_back().is_none_or(char::is_whitespace)
            && after.chars().next().is_none_or(char::is_whitespace);
        is_word.then_some((before, after))
    })
}

/// The file of the user that counts most.
fn user_file(environment: &Environment) -> anyhow::Result<PathBuf> {
    let named = environment.get("NIX_USER_CONF_FILES").unwrap_or_default();
    if let Some(file) = named.split(':').find(|file| !file.is_empty()) {
        return Ok(file.into());
    }
    let directory = match environment.get("XDG_CONFIG_HOME") {
        Some(directory) => PathBuf::from(directory),
        None => PathBuf::from(environment.get("HOME").context("there is no HOME")?).join(".config"),
    };
    Ok(directory.join("nix/nix.conf"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_of_a_netrc_file_is_shown() {
        for entry in [
            "+ machine a login b password secret",
            "- password secret",
            "- \tpassword\tsecret",
            "- machine a password\n-   secret",
            "- password\n- \n- secret account secret",
        ] {
            let shown = hidden(&format!("+ x = 1\n{entry}\n+ y = 2\n"));
            assert!(!shown.contains("secret") && shown.contains("password …\n"), "{shown}");
            assert!(
                shown.starts_with("  + x = 1\n") && shown.ends_with("\n  + y = 2\n"),
                "{shown}"
            );
        }
        assert_eq!(hidden("+ passwords = 1\n"), "  + passwords = 1\n");
    }
}

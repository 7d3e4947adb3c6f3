//! The credential of a cache in a netrc file. Nix reads a single one: a file of the user takes the place of that of the system,
//! and therefore gets the entries of that one as well.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use rns_client::{Netrc, NetrcEntry};
use rns_doctor::machine::NixConf;

use super::{
    block::{Block, BlockPlace, has_any, outside_all},
    file::FileChange,
};
use crate::output::tell;

/// The permissions of a netrc file that is made.
const NETRC_MODE: u32 = 0o600;

/// The title of the entries that come from another file.
const INHERITED_ENTRIES: &str = "entries of the netrc file of the system";

/// The netrc file that Nix is to read.
pub(super) enum NetrcFile {
    /// It reads this one already.
    Read(PathBuf),
    /// It is to read this one in the place of that of the system.
    Instead {
        /// The file of the user.
        own: PathBuf,
        /// The file of the system.
        system: PathBuf,
    },
}

impl NetrcFile {
    /// For the nix.conf that is changed, which has this text.
    ///
    /// # Errors
    /// When a block in it has no end.
    pub(super) fn find(conf: &Path, text: &str, system_conf: &Path) -> anyhow::Result<Self> {
        let beside = |conf: &Path| conf.with_file_name("netrc");
        let named = |conf: NixConf| conf.get("netrc-file").map(PathBuf::from);
        let of_system =
            || named(NixConf::of_file(system_conf)).unwrap_or_else(|| beside(system_conf));
        if conf == system_conf {
            return Ok(Self::Read(of_system()));
        }
        // Lines of this command go with it: another cache must not depend on them.
        let others = outside_all(text).with_context(|| conf.display().to_string())?;
        Ok(named(NixConf::of_text(&others, conf))
            .map_or_else(|| Self::Instead { own: beside(conf), system: of_system() }, Self::Read))
    }

    /// The line of the user's nix.conf that has Nix read it, where one is needed.
    pub(super) fn setting(&self) -> Option<String> {
        match self {
            Self::Read(_) => None,
            Self::Instead { own, .. } => Some(format!("netrc-file = {}", own.display())),
        }
    }

    /// Puts an entry for a host before all others: the first one counts.
    ///
    /// # Errors
    /// When a file cannot be read, or a token does not belong there.
    pub(super) fn put(
        &self,
        block: &Block,
        host: &str,
        (login, password): (&str, &str),
    ) -> anyhow::Result<FileChange> {
        let entry = [format!("machine {host} login {} password {}", word(login), word(password))];
        let (file, inherited) = match self {
            Self::Read(file) => (file, Vec::new()),
            Self::Instead { own, system } => (own, inherited(system)?),
        };
        let change = FileChange::of(file, NETRC_MODE, |text| {
            let text = block.put(text, &entry, BlockPlace::Start)?;
            // Entries that are not inherited any more go.
            Block::shared(INHERITED_ENTRIES).put(&text, &inherited, BlockPlace::End)
        })?;
        if change.is_open_to_all() {
            let file = change.file.display();
            bail!(
                "{file} is open to every user of this machine: `chmod o= {file}` before it gets a token"
            );
        }
        let others = block.outside(&change.new)?;
        if Netrc::parse(&others).entries.iter().any(|entry| is_for(entry, host)) {
            tell(&format!(
                "{} has another entry for {host}, which does not count any more: this one stands before it",
                change.file.display()
            ));
        }
        if let (Self::Instead { system, .. }, false) = (self, inherited.is_empty()) {
            tell(&format!(
                "Nix reads one netrc file: yours takes the place of {}, with a copy of its entries. After a change of that \
                 file, run this again.",
                system.display()
            ));
        }
        Ok(change)
    }

    /// Takes the entry out, and with the last one those that were copied.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn remove(&self, block: &Block) -> anyhow::Result<FileChange> {
        let (Self::Read(file) | Self::Instead { own: file, .. }) = self;
        FileChange::of(file, NETRC_MODE, |text| {
            let rest = block.outside(text)?;
            if has_any(&rest) { Ok(rest) } else { Block::shared(INHERITED_ENTRIES).outside(&rest) }
        })
    }
}

fn is_for(entry: &NetrcEntry, host: &str) -> bool {
    entry.machine.as_ref().is_some_and(|machine| machine.eq_ignore_ascii_case(host))
}

/// The entries of the netrc file of the system, one a line.
fn inherited(system: &Path) -> anyhow::Result<Vec<String>> {
    match fs::read_to_string(system) {
        Ok(text) => Ok(Netrc::parse(&text).entries.iter().map(line_of).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => bail!(
            "{0} cannot be read ({error}), and a netrc file of yours would hide its entries from Nix: as root, \
             `rust-nix-serve use` with --system puts the token into {0} itself",
            system.display()
        ),
    }
}

fn line_of(entry: &NetrcEntry) -> String {
    let mut line = match &entry.machine {
        Some(machine) => format!("machine {}", word(machine)),
        None => "default".to_owned(),
    };
    for (name, value) in [
        ("login", entry.login.as_deref()),
        ("password", entry.password.as_deref().map(String::as_str)),
    ] {
        if let Some(value) = value {
            line.push_str(&format!(" {name} {}", word(value)));
        }
    }
    line
}

/// A word of a netrc file, in quotation marks only where it needs them: old versions of curl do not know them.
fn word(text: &str) -> String {
    let needs_quotes =
        text.is_empty() || text.starts_with(['"', '#']) || text.contains(char::is_whitespace);
    if !needs_quotes {
        return text.to_owned();
    }
    let mut inside = text.replace('\\', "\\\\").replace('"', "\\\"");
    for (char, escaped) in [('\n', "\\n"), ('\r', "\\r"), ('\t', "\\t")] {
        inside = inside.replace(char, escaped);
    }
    format!("\"{inside}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_copied_as_they_mean() {
        let text = "machine a login \"b c\" password \"d\\\"e\"\nmachine f\n  password g#h\n\
                    default login i password \"#j\\tk\\n\"\n";
        let lines: Vec<String> = Netrc::parse(text).entries.iter().map(line_of).collect();
        assert_eq!(
            lines,
            [
                r#"machine a login "b c" password d"e"#,
                "machine f password g#h",
                r##"default login i password "#j\tk\n""##,
            ]
        );
        let again = Netrc::parse(&lines.join("\n"));
        assert_eq!(again.entries.iter().map(line_of).collect::<Vec<_>>(), lines);
    }
}

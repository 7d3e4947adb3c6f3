//! netrc files, as curl and with it Nix reads them.

use std::{fmt, fs, io, path::Path};

use url::Url;
use zeroize::Zeroizing;

use crate::percent::percent_decoded;

/// The entries of a netrc file, in its order.
#[derive(Debug, Default)]
pub struct Netrc {
    /// The entries.
    pub entries: Vec<NetrcEntry>,
}

/// An entry of a netrc file.
pub struct NetrcEntry {
    /// The host that it is for; `None` for all others.
    pub machine: Option<String>,
    /// The login, where it says one. Some versions of curl use no entry without.
    pub login: Option<String>,
    /// The password, where it says one.
    pub password: Option<Zeroizing<String>>,
}

impl fmt::Debug for NetrcEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, login, .. } = self;
        f.debug_struct("NetrcEntry")
            .field("machine", machine)
            .field("login", login)
            .finish_non_exhaustive()
    }
}

impl Netrc {
    /// Reads the text of a netrc file. Words that mean nothing are skipped, as other programs do.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut entries: Vec<NetrcEntry> = Vec::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let mut words = words(line).into_iter();
            while let Some(word) = words.next() {
                match &**word {
                    "machine" => entries.push(NetrcEntry::of(words.next())),
                    "default" => entries.push(NetrcEntry::of(None)),
                    "login" => {
                        if let (Some(entry), Some(login)) = (entries.last_mut(), words.next()) {
                            entry.login = Some(login.to_string());
                        }
                    }
                    "password" => {
                        if let Some(entry) = entries.last_mut() {
                            entry.password = words.next();
                        }
                    }
                    // A macro lasts until an empty line.
                    "macdef" => {
                        lines.by_ref().take_while(|line| !line.trim().is_empty()).for_each(drop);
                        break;
                    }
                    _ => {}
                }
            }
        }
        Self { entries }
    }

    /// The first entry for the host of a URL, or for all others; where the URL has a login, the first with that one, as two
    /// caches on a host need it.
    #[must_use]
    pub fn entry(&self, url: &Url) -> Option<&NetrcEntry> {
        let (host, login) = (netrc_host(url)?, percent_decoded(url.username()));
        let is_login = |entry: &&NetrcEntry| {
            login.is_empty() || entry.login.as_ref().is_none_or(|own| *own == login)
        };
        let is_host = |entry: &&NetrcEntry| match &entry.machine {
            Some(machine) => machine.eq_ignore_ascii_case(host),
            None => true,
        };
        self.entries.iter().filter(is_host).find(is_login)
    }
}

/// The host of a URL as netrc files name it: an address of IPv6 has no brackets there.
#[must_use]
pub fn netrc_host(url: &Url) -> Option<&str> {
    url.host_str().map(|host| host.trim_matches(['[', ']']))
}

/// The reason for which a netrc file has no credential for the host of a URL, as a part of a sentence. Names the file.
#[must_use]
pub fn why_no_credential(file: &Path, url: &Url) -> String {
    let (host, name) = (netrc_host(url).unwrap_or_default(), file.display());
    match fs::read_to_string(file) {
        Ok(text) => match (Netrc::parse(&text).entry(url), url.username()) {
            (Some(_), _) => format!("the entry for {host} in {name} has no password"),
            (None, "") => format!("{name} has no entry for {host}"),
            (None, login) => format!("{name} has no entry for {host} with the login {login}"),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => format!("there is no {name}"),
        Err(error) => format!("{name} cannot be read: {error}"),
    }
}

impl NetrcEntry {
    fn of(machine: Option<Zeroizing<String>>) -> Self {
        Self { machine: machine.map(|name| name.to_string()), login: None, password: None }
    }
}

/// The words of a line: with quotation marks around them they may hold spaces, and `#` begins a comment.
fn words(line: &str) -> Vec<Zeroizing<String>> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    loop {
        while chars.next_if(|char| char.is_whitespace()).is_some() {}
        match chars.peek() {
            None | Some('#') => return words,
            Some('"') => {
                chars.next();
                words.push(Zeroizing::new(quoted(&mut chars)));
            }
            Some(_) => {
                let mut word = Zeroizing::new(String::new());
                while let Some(char) = chars.next_if(|char| !char.is_whitespace()) {
                    word.push(char);
                }
                words.push(word);
            }
        }
    }
}

fn quoted(chars: &mut impl Iterator<Item = char>) -> String {
    let mut word = String::new();
    while let Some(char) = chars.next() {
        match char {
            '"' => break,
            '\\' => word.extend(chars.next().map(|char| match char {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                other => other,
            })),
            _ => word.push(char),
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(host: &str) -> Url {
        Url::parse(&format!("https://{host}")).unwrap()
    }

    fn password(netrc: &Netrc, host: &str) -> Option<String> {
        netrc.entry(&url(host))?.password.as_ref().map(|password| password.to_string())
    }

    #[test]
    fn entries_are_found_by_host_on_one_line_or_on_many() {
        let netrc = Netrc::parse(
            "# caches\nmachine cache.example.org login ci password rns_1\nmachine other.example.org\n  login x\n  password \"a b\\\"c\"\n",
        );
        assert_eq!(password(&netrc, "Cache.Example.org").as_deref(), Some("rns_1"));
        assert_eq!(password(&netrc, "other.example.org").as_deref(), Some("a b\"c"));
        assert_eq!(netrc.entry(&url("other.example.org")).unwrap().login.as_deref(), Some("x"));
        assert_eq!(password(&netrc, "example.org"), None);
    }

    #[test]
    fn a_default_is_for_all_others_and_macros_are_skipped() {
        let netrc = Netrc::parse(
            "machine a macdef init\nmachine evil password x\n\nmachine b password y default password z",
        );
        assert_eq!(password(&netrc, "a"), None);
        assert_eq!(password(&netrc, "evil").as_deref(), Some("z"));
        assert_eq!(password(&netrc, "b").as_deref(), Some("y"));
    }

    #[test]
    fn a_login_of_the_url_chooses_the_entry() {
        let netrc = Netrc::parse(
            "machine a login reader password r\nmachine a login c@i password \"p\\tq\"\ndefault login ci password d\n",
        );
        assert_eq!(password(&netrc, "a").as_deref(), Some("r"));
        assert_eq!(password(&netrc, "c%40i@a").as_deref(), Some("p\tq"));
        assert_eq!(password(&netrc, "ci@a").as_deref(), Some("d"));
        assert_eq!(password(&netrc, "other@a"), None);
    }

    #[test]
    fn an_address_of_ipv6_has_no_brackets() {
        let host = |url: &str| netrc_host(&Url::parse(url).unwrap()).map(str::to_owned);
        assert_eq!(host("http://[::1]:8080/team").as_deref(), Some("::1"));
        assert_eq!(host("https://cache.example.org").as_deref(), Some("cache.example.org"));
    }

    #[test]
    fn no_password_is_printed() {
        let netrc = Netrc::parse("machine a login b password secret-word");
        assert!(!format!("{netrc:?}").contains("secret-word"));
    }
}

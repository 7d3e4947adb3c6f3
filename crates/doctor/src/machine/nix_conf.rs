//! The configuration of Nix, as Nix itself puts it together.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use rns_client::plain_url;
use rns_formats::PublicKey;
use url::Url;

/// Files that may include each other, one below the other.
const MAX_INCLUDE_DEPTH: usize = 16;

/// The key of the public cache, which Nix trusts unless it is told otherwise.
const PUBLIC_KEY: &str = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";

/// The public cache, which Nix uses unless it is told otherwise.
const DEFAULT_SUBSTITUTER: &str = "https://cache.nixos.org/";

/// The settings of the system, and with those of the user.
#[derive(Clone, Debug, Default)]
pub struct NixConf {
    /// The file of the system.
    pub system_file: PathBuf,
    system: NixSettings,
    all: NixSettings,
}

type NixSettings = BTreeMap<String, String>;

impl NixConf {
    /// Reads the files that the environment of this process names, and `NIX_CONFIG`.
    #[must_use]
    pub fn of_process() -> Self {
        let directory =
            env::var_os("NIX_CONF_DIR").map_or_else(|| "/etc/nix".into(), PathBuf::from);
        let system_file = directory.join("nix.conf");
        let mut system = NixSettings::new();
        read_file(&system_file, &mut system, 0);
        let mut all = system.clone();
        for file in user_files() {
            read_file(&file, &mut all, 0);
        }
        if let Ok(text) = env::var("NIX_CONFIG") {
            read_text(&text, Path::new("."), &mut all, 0);
        }
        Self { system_file, system, all }
    }

    /// The configuration of one file, with those that it includes.
    #[must_use]
    pub fn of_file(file: &Path) -> Self {
        let mut all = NixSettings::new();
        read_file(file, &mut all, 0);
        Self { system_file: file.to_owned(), system: all.clone(), all }
    }

    /// A configuration of these lines alone, and of the files that they include, as lines of this file.
    #[must_use]
    pub fn of_text(text: &str, file: &Path) -> Self {
        let mut all = NixSettings::new();
        read_text(text, directory_of(file), &mut all, 0);
        Self { system_file: file.to_owned(), system: all.clone(), all }
    }

    /// A setting, the user's over that of the system.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all.get(name).map(String::as_str)
    }

    /// The netrc file that Nix reads.
    #[must_use]
    pub fn netrc_file(&self) -> PathBuf {
        let usual = || directory_of(&self.system_file).join("netrc");
        self.get("netrc-file").map_or_else(usual, PathBuf::from)
    }

    /// The words of a list of the system, with those that are added to it.
    pub(super) fn system_words(&self, name: &str) -> Vec<String> {
        words(&self.system, name, if name == "substituters" { DEFAULT_SUBSTITUTER } else { "" })
    }

    /// The addresses of the caches that are used.
    #[must_use]
    pub fn substituters(&self) -> Vec<String> {
        words(&self.all, "substituters", DEFAULT_SUBSTITUTER)
    }

    /// Returns true if Nix substitutes from the cache at this URL, with any parameters.
    #[must_use]
    pub fn substitutes_from(&self, url: &Url) -> bool {
        let used = self.substituters();
        let mut used = used.iter().filter_map(|used| Url::parse(used).ok());
        used.any(|used| plain_url(&used) == plain_url(url))
    }

    /// Returns true if Nix accepts paths of the cache at this URL only with the signature of a trusted key.
    #[must_use]
    pub fn requires_signatures(&self, url: &Url) -> bool {
        let is_trusted = |url: &Url| {
            url.query_pairs()
                .any(|(name, value)| name == "trusted" && matches!(&*value, "true" | "1"))
        };
        let used = self.substituters();
        let used = used.iter().filter_map(|used| Url::parse(used).ok());
        let mut same = used.filter(|used| plain_url(used) == plain_url(url));
        self.get("require-sigs") != Some("false")
            && !is_trusted(url)
            && !same.any(|url| is_trusted(&url))
    }

    /// The keys that paths are accepted with. Words that are no keys are left out, as Nix refuses them, and so are further
    /// keys of a name, which Nix ignores.
    #[must_use]
    pub fn trusted_keys(&self) -> Vec<PublicKey> {
        let words = words(&self.all, "trusted-public-keys", PUBLIC_KEY);
        let mut keys: Vec<PublicKey> = Vec::new();
        for key in words.iter().filter_map(|word| PublicKey::parse(word).ok()) {
            if keys.iter().all(|first| first.name() != key.name()) {
                keys.push(key);
            }
        }
        keys
    }
}

/// The user's files. Those that are named last count least, and are read first.
#[must_use]
pub(super) fn user_files() -> Vec<PathBuf> {
    if let Some(files) = env::var_os("NIX_USER_CONF_FILES") {
        let mut files: Vec<_> =
            env::split_paths(&files).filter(|file| !file.as_os_str().is_empty()).collect();
        files.reverse();
        return files;
    }
    let own = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let own = own.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".config")));
    let shared = env::var_os("XDG_CONFIG_DIRS").unwrap_or_else(|| "/etc/xdg".into());
    let mut directories: Vec<PathBuf> = env::split_paths(&shared).collect();
    directories.reverse();
    directories.extend(own);
    directories.into_iter().map(|directory| directory.join("nix/nix.conf")).collect()
}

/// The words of a list and of `extra-…`. Older names of a setting count as well.
fn words(settings: &NixSettings, name: &str, default: &str) -> Vec<String> {
    let old = match name {
        "substituters" => "binary-caches",
        "trusted-public-keys" => "binary-cache-public-keys",
        other => other,
    };
    let base = settings.get(name).or_else(|| settings.get(old));
    let extra = [name, old].map(|name| settings.get(&format!("extra-{name}")).cloned());
    let mut words: Vec<String> = Vec::new();
    let texts = std::iter::once(base.cloned().unwrap_or_else(|| default.to_owned()));
    for text in texts.chain(extra.into_iter().flatten()) {
        for word in text.split_whitespace() {
            if !words.iter().any(|known| known == word) {
                words.push(word.to_owned());
            }
        }
    }
    words
}

fn read_file(file: &Path, settings: &mut NixSettings, depth: usize) {
    let Ok(text) = fs::read_to_string(file) else { return };
    read_text(&text, directory_of(file), settings, depth);
}

fn directory_of(file: &Path) -> &Path {
    file.parent().unwrap_or_else(|| Path::new("/"))
}

fn read_text(text: &str, directory: &Path, settings: &mut NixSettings, depth: usize) {
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("include" | "!include"), Some(file)) if depth < MAX_INCLUDE_DEPTH => {
                read_file(&directory.join(file), settings, depth + 1);
            }
            (Some(name), Some("=")) => {
                let value = words.collect::<Vec<_>>().join(" ");
                // Both `extra-` lines count: a list is reset by its own name alone.
                match settings.get_mut(name) {
                    Some(before) if name.starts_with("extra-") => {
                        before.push(' ');
                        before.push_str(&value);
                    }
                    _ => {
                        settings.insert(name.to_owned(), value);
                        settings.remove(&format!("extra-{name}"));
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use rns_formats::{KeyName, SecretKey};

    use super::*;

    fn of(text: &str) -> NixConf {
        NixConf::of_text(text, Path::new("/nonexistent/nix.conf"))
    }

    #[test]
    fn lists_grow_by_extra_and_start_anew_by_their_name() {
        let conf =
            of("extra-substituters = https://a https://b # c\nextra-substituters = https://c\n");
        let expected = ["https://cache.nixos.org/", "https://a", "https://b", "https://c"];
        assert_eq!(conf.substituters(), expected);
        let conf = of("extra-substituters = https://a\nsubstituters = https://b\n");
        assert_eq!(conf.substituters(), ["https://b"]);
        let uses = |url: &str| conf.substitutes_from(&Url::parse(url).unwrap());
        assert!(uses("https://ci:x@b/?priority=3") && !uses("https://a") && !uses("https://b/c"));
        assert!(of("trusted-public-keys =\n").trusted_keys().is_empty());
        assert_eq!(NixConf::default().trusted_keys().len(), 1);
    }

    #[test]
    fn the_first_key_of_a_name_counts() {
        let name = KeyName::parse("name-1").unwrap();
        let key = |seed| SecretKey::from_seed(name.clone(), &[seed; 32]).public_key().to_string();
        let conf = of(&format!("trusted-public-keys = {} {}\n", key(1), key(2)));
        let trusted: Vec<String> = conf.trusted_keys().iter().map(ToString::to_string).collect();
        assert_eq!(trusted, [key(1)]);
    }
}

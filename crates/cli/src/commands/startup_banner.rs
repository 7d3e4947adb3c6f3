//! The text that is printed when the server has started: its addresses, and the settings of a client.

use std::{path::PathBuf, sync::Arc};

use rns_formats::PublicKey;
use rns_nix_store::{AbsentStore, StoreConfig};
use rns_server::config::{AccessConfig, Permission, StartedHook};

use crate::{config::Loaded, host::host_of, output};

/// Prints the banner to people on standard output; a journal or a machine gets a line of the log.
pub(super) fn hook(loaded: &Loaded, store: &StoreConfig) -> Arc<StartedHook> {
    let for_people = loaded.log.format.is_for_people();
    let public_url = loaded.server.public_url.clone();
    let caches = &loaded.server.caches;
    let banner = Banner {
        store_dir: store.store_dir.as_str().to_owned(),
        has_local_store: loaded.backends.has_local_store,
        storage: loaded.backends.storage.as_ref().map(|storage| storage.url.to_string()),
        missing: loaded.backends.has_local_store.then(|| missing(store)).flatten(),
        absent: store.absent,
        has_keys: caches.all().any(|(_, cache)| !cache.signing.keys.is_empty()),
        needs_token: needs_token(&caches.default.access),
        push_path: loaded.backends.push_path(),
    };
    Arc::new(move |urls, keys| {
        let substituter = public_url.clone().or_else(|| reachable(urls));
        if for_people {
            // The server goes on when the reader of standard output has gone.
            let _ = output::print(&banner.text(urls, substituter.as_deref(), keys));
        } else {
            let substituter = substituter.unwrap_or_default();
            let store = banner.store();
            tracing::info!(substituter, public_keys = joined(keys), "serving {store}");
        }
    })
}

/// The first part of the store that does not exist.
fn missing(store: &StoreConfig) -> Option<PathBuf> {
    [&store.database, &store.real_dir].into_iter().find(|path| !path.exists()).cloned()
}

/// Whether reading the cache without a name needs a token, not only a certificate.
fn needs_token(access: &AccessConfig) -> bool {
    let has_tokens = access.tokens.is_some() || !access.oidc.is_empty();
    has_tokens && !access.anonymous.has(Permission::Read)
}

/// The hint where there is no Nix store.
pub(super) fn no_store(store: &StoreConfig) -> String {
    format!(
        "There is no Nix store on this machine: {} does not exist. The server answers as an empty cache.\n\
         --store ROOT serves another store.",
        store.database.display()
    )
}

/// An address that a client can be given: not that of every interface, but the name of this machine.
fn reachable(urls: &[String]) -> Option<String> {
    let url = urls.iter().find(|url| url.starts_with("http"))?;
    let everywhere = ["://0.0.0.0:", "://[::]:"].into_iter().find(|host| url.contains(host));
    Some(match everywhere {
        Some(host) => url.replace(host, &format!("://{}:", host_name())),
        None => url.clone(),
    })
}

fn host_name() -> String {
    match std::fs::read_to_string("/proc/sys/kernel/hostname") {
        Ok(name) if !name.trim().is_empty() => name.trim().to_owned(),
        _ => "localhost".to_owned(),
    }
}

/// The parts of the banner that the configuration decides.
struct Banner {
    store_dir: String,
    has_local_store: bool,
    /// The directory or bucket of a storage, if one is served.
    storage: Option<String>,
    /// The part of the store that does not exist, if one does not.
    missing: Option<PathBuf>,
    absent: AbsentStore,
    /// Whether keys are configured, though perhaps none of them can be used yet.
    has_keys: bool,
    needs_token: bool,
    /// Where clients push, below the address of the cache, if they can.
    push_path: Option<&'static str>,
}

impl Banner {
    /// The served stores, as the object of a sentence.
    fn store(&self) -> String {
        match (&self.storage, self.has_local_store) {
            (None, _) => self.local_store(),
            (Some(storage), false) => format!("the cache in {storage}"),
            (Some(storage), true) => format!("{} and the cache in {storage}", self.local_store()),
        }
    }

    fn local_store(&self) -> String {
        match (&self.missing, self.absent) {
            (None, _) => self.store_dir.clone(),
            (Some(missing), AbsentStore::Empty) => {
                format!("an empty cache, because {} does not exist,", missing.display())
            }
            (Some(missing), AbsentStore::Unavailable) => format!(
                "no store yet, because {} does not exist (requests are answered with 503 until it does),",
                missing.display()
            ),
        }
    }

    fn text(&self, urls: &[String], substituter: Option<&str>, keys: &[PublicKey]) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let mut text = format!("rust-nix-serve {version} serves {} at\n", self.store());
        for url in urls {
            text.push_str(&format!("  {url}\n"));
        }
        let Some(url) = substituter else {
            text.push_str("\nClients connect to the proxy in front of this socket; `public_url` names its address.\n");
            return text;
        };
        let all = joined(keys);
        text.push_str("\nA client with this program:\n");
        let key = keys.iter().map(|key| format!(" --key {key}")).collect::<String>();
        let token = if self.needs_token { " --token-file FILE" } else { "" };
        text.push_str(&format!("  rust-nix-serve use {url}{key}{token}\n"));
        text.push_str("\nA client's nix.conf:\n");
        text.push_str(&format!("  extra-substituters = {url}\n"));
        if !keys.is_empty() {
            text.push_str(&format!("  extra-trusted-public-keys = {all}\n"));
        }
        text.push_str("\nA client on NixOS:\n");
        text.push_str(&format!("  nix.settings.extra-substituters = [ \"{url}\" ];\n"));
        if !keys.is_empty() {
            let quoted: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
            let quoted = quoted.join(" ");
            text.push_str(&format!("  nix.settings.extra-trusted-public-keys = [ {quoted} ];\n"));
        }
        if self.needs_token {
            // With a login: without one, older versions of curl send no password.
            text.push_str(&format!(
                "\nThis cache is private. A client's /etc/nix/netrc, with a token of `rust-nix-serve token create NAME`:\n  \
                 machine {} login NAME password TOKEN\n",
                host_of(url)
            ));
        }
        let store_dir = &self.store_dir;
        text.push_str(&format!("\nCopying once:\n  nix copy --from {url} {store_dir}/…\n"));
        if let Some(path) = self.push_path {
            text.push_str(&format!(
                "\nPushing, with the token of `rust-nix-serve token create NAME --allow read,push` in a netrc file:\n  \
                 nix copy --to '{url}{path}?compression=zstd' --netrc-file \"$PWD/netrc\" {store_dir}/…\n"
            ));
        }
        if !self.has_keys {
            text.push_str(
                "\nThis server signs nothing: clients accept a path only with the signature of a key that they already \
                 trust. To sign everything:\n  \
                 rust-nix-serve key generate \"$(hostname)-1\" --output secret-key\n  \
                 rust-nix-serve --signing-key secret-key\n",
            );
        }
        text
    }
}

fn joined(keys: &[PublicKey]) -> String {
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    keys.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "test-1:etCiKKBZtOeNvBtc/+IEWoZIRIfdbH92B3tu7xf64ME=";

    fn banner(has_keys: bool) -> Banner {
        Banner {
            store_dir: "/nix/store".to_owned(),
            has_local_store: true,
            storage: None,
            missing: None,
            absent: AbsentStore::Unavailable,
            has_keys,
            needs_token: false,
            push_path: None,
        }
    }

    #[test]
    fn a_cache_with_a_storage_shows_how_to_push() {
        let said = |file: &str| {
            let backends = crate::config::load_text(file).unwrap().backends;
            let banner = Banner {
                has_local_store: backends.has_local_store,
                storage: backends.storage.as_ref().map(|storage| storage.url.to_string()),
                push_path: backends.push_path(),
                ..banner(true)
            };
            banner.text(&[], Some("https://cache.example.org"), &[])
        };
        let storage = "[storage]\nurl = \"file:///var/cache/binary\"\n";
        let both = said(storage);
        let push = |to: &str| format!("nix copy --to '{to}?compression=zstd' --netrc-file");
        assert!(both.contains(&push("https://cache.example.org/push")), "{both}");
        let served = "serves /nix/store and the cache in file:///var/cache/binary at\n";
        assert!(both.contains(served), "{both}");
        let alone = said(&format!("{storage}[store]\nenabled = false\n"));
        assert!(alone.contains(&push("https://cache.example.org")), "{alone}");
        assert!(alone.contains("serves the cache in file:///var/cache/binary at\n"), "{alone}");
        assert!(!said("").contains("nix copy --to"));
    }

    #[test]
    fn a_store_that_does_not_exist_is_not_said_to_be_served() {
        let missing = Some("/nix/var/nix/db/db.sqlite".into());
        let banner = Banner { missing, ..banner(true) };
        let first =
            |banner: &Banner| banner.text(&[], None, &[]).lines().next().unwrap().to_owned();
        let said = first(&banner);
        assert!(
            said.contains("serves no store yet, because /nix/var/nix/db/db.sqlite does not"),
            "{said}"
        );
        let said = first(&Banner { absent: AbsentStore::Empty, ..banner });
        assert!(said.contains("serves an empty cache, because /nix/var"), "{said}");
    }

    #[test]
    fn a_private_cache_shows_the_line_for_netrc() {
        let line = "  machine cache.example.org login NAME password TOKEN\n";
        let said = |needs_token| {
            Banner { needs_token, ..banner(true) }.text(
                &[],
                Some("https://cache.example.org:8443/a"),
                &[],
            )
        };
        assert!(said(true).contains(line), "{}", said(true));
        assert!(!said(false).contains("netrc"), "{}", said(false));
        let needs_token = |text: &str| {
            let loaded = crate::config::load_text(text).unwrap();
            needs_token(&loaded.server.caches.default.access)
        };
        assert!(needs_token("[access]\nanonymous = []\ntokens = \"/t\"\n"));
        assert!(!needs_token("[access]\nanonymous = [\"read\"]\ntokens = \"/t\"\n"));
    }

    #[test]
    fn a_client_finds_lines_to_copy() {
        let urls = ["http://127.0.0.1:5000".to_owned(), "unix:/run/a".to_owned()];
        let keys = [PublicKey::parse(KEY).unwrap()];
        let said = banner(true).text(&urls, reachable(&urls).as_deref(), &keys);
        for line in [
            "  http://127.0.0.1:5000\n  unix:/run/a\n",
            &format!("  rust-nix-serve use http://127.0.0.1:5000 --key {KEY}\n"),
            "  extra-substituters = http://127.0.0.1:5000\n",
            &format!("  extra-trusted-public-keys = {KEY}\n"),
            &format!("  nix.settings.extra-trusted-public-keys = [ \"{KEY}\" ];\n"),
            "  nix copy --from http://127.0.0.1:5000 /nix/store/…\n",
        ] {
            assert!(said.contains(line), "{line}\nin\n{said}");
        }
        assert!(!said.contains("signs nothing"), "{said}");
    }

    #[test]
    fn without_a_key_the_way_to_one_is_shown() {
        let said = banner(false).text(&[], Some("http://h"), &[]);
        assert!(said.contains("rust-nix-serve key generate"), "{said}");
        assert!(!said.contains("extra-trusted-public-keys"), "{said}");
    }

    #[test]
    fn every_interface_is_named_by_the_machine() {
        let url = reachable(&["https://[::]:5000".to_owned()]).unwrap();
        assert_eq!(url, format!("https://{}:5000", host_name()));
    }

    #[test]
    fn a_socket_alone_is_nothing_a_client_could_copy() {
        let urls = ["unix:/run/a".to_owned()];
        let said = banner(false).text(&urls, reachable(&urls).as_deref(), &[]);
        assert!(said.contains("  unix:/run/a\n") && said.contains("public_url"), "{said}");
        assert!(!said.contains("extra-substituters"), "{said}");
    }
}

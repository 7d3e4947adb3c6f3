//! What is said when the server answers: where it is, and what a client needs.

use std::sync::Arc;

use rns_formats::PublicKey;
use rns_nix_store::StoreConfig;
use rns_server::config::StartedHook;

use crate::{config::Loaded, output};

/// Says it on standard output to people, and in the log to a journal or a machine.
pub(super) fn hook(loaded: &Loaded) -> Arc<StartedHook> {
    let for_people = loaded.log.format.is_for_people();
    let public_url = loaded.server.public_url.clone();
    let store_dir = loaded.store.store_dir.as_str().to_owned();
    let has_keys = loaded.server.caches.all().any(|(_, cache)| !cache.signing.keys.is_empty());
    Arc::new(move |urls, keys| {
        let substituter = public_url.clone().or_else(|| reachable(urls));
        if for_people {
            // A reader that has gone does not matter to the clients.
            let _ = output::print(&text(&store_dir, urls, substituter.as_deref(), keys, has_keys));
        } else {
            let substituter = substituter.unwrap_or_default();
            tracing::info!(substituter, public_keys = joined(keys), "serving {store_dir}");
        }
    })
}

/// What is said where there is no Nix store.
pub(super) fn no_store(store: &StoreConfig) -> String {
    format!(
        "There is no Nix store on this machine ({} does not exist): an empty cache is served.\n\
         Another store is served with --store ROOT.",
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

/// `has_keys`: whether keys are configured, though perhaps none of them can be used yet.
fn text(
    store_dir: &str,
    urls: &[String],
    substituter: Option<&str>,
    keys: &[PublicKey],
    has_keys: bool,
) -> String {
    let mut text = format!("rust-nix-serve {} serves {store_dir} at\n", env!("CARGO_PKG_VERSION"));
    for url in urls {
        text.push_str(&format!("  {url}\n"));
    }
    let Some(url) = substituter else {
        text.push_str("\nClients reach it through the proxy in front of that socket; `public_url` names its address.\n");
        return text;
    };
    let all = joined(keys);
    text.push_str("\nA client's nix.conf:\n");
    text.push_str(&format!("  extra-substituters = {url}\n"));
    if !keys.is_empty() {
        text.push_str(&format!("  extra-trusted-public-keys = {all}\n"));
    }
    text.push_str("\nA client on NixOS:\n");
    text.push_str(&format!("  nix.settings.extra-substituters = [ \"{url}\" ];\n"));
    if !keys.is_empty() {
        let quoted: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
        text.push_str(&format!(
            "  nix.settings.extra-trusted-public-keys = [ {} ];\n",
            quoted.join(" ")
        ));
    }
    text.push_str(&format!("\nCopying once:\n  nix copy --from {url} {store_dir}/…\n"));
    if !has_keys {
        text.push_str(
            "\nNothing is signed here: clients take what a key that they already trust has signed. To sign everything:\n  \
             rust-nix-serve key generate \"$(hostname)-1\" --output secret-key\n  \
             rust-nix-serve --signing-key secret-key\n",
        );
    }
    text
}

fn joined(keys: &[PublicKey]) -> String {
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    keys.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "test-1:etCiKKBZtOeNvBtc/+IEWoZIRIfdbH92B3tu7xf64ME=";

    #[test]
    fn a_client_finds_lines_to_copy() {
        let urls = ["http://127.0.0.1:5000".to_owned(), "unix:/run/a".to_owned()];
        let keys = [PublicKey::parse(KEY).unwrap()];
        let said = text("/nix/store", &urls, reachable(&urls).as_deref(), &keys, true);
        for line in [
            "  http://127.0.0.1:5000\n  unix:/run/a\n",
            "  extra-substituters = http://127.0.0.1:5000\n",
            &format!("  extra-trusted-public-keys = {KEY}\n"),
            &format!("  nix.settings.extra-trusted-public-keys = [ \"{KEY}\" ];\n"),
            "  nix copy --from http://127.0.0.1:5000 /nix/store/…\n",
        ] {
            assert!(said.contains(line), "{line}\nin\n{said}");
        }
        assert!(!said.contains("Nothing is signed"), "{said}");
    }

    #[test]
    fn without_a_key_the_way_to_one_is_shown() {
        let said = text("/nix/store", &[], Some("http://h"), &[], false);
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
        let said = text("/nix/store", &urls, reachable(&urls).as_deref(), &[], false);
        assert!(said.contains("  unix:/run/a\n") && said.contains("public_url"), "{said}");
        assert!(!said.contains("extra-substituters"), "{said}");
    }
}

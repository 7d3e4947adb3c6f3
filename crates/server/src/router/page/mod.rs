//! The page at `/`: a description for people, and the lines that a client needs.
//!
//! It works without scripts, loads nothing, and fits narrow screens.

mod client;
mod outlook;
mod retention;
mod roots;

use std::sync::LazyLock;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use rns_formats::{PublicKey, Sha256Digest, StoreDir};

use self::client::ClientConfiguration;
pub use self::{
    client::visited_url,
    outlook::{OutlookAnswer, OutlookSection},
    retention::RetentionSection,
    roots::RootsSection,
};

const STYLE: &str = include_str!("style.css");

/// The contents of the page.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The address under which the visitor knows the server, without a slash at the end.
    pub url: &'a str,
    /// The logical store directory.
    pub store_dir: &'a StoreDir,
    /// The priority that `nix-cache-info` announces.
    pub priority: i32,
    /// The keys that sign narinfos.
    pub keys: &'a [PublicKey],
    /// Whether a configured key cannot be used at the moment.
    pub keys_missing: bool,
    /// Whether clients need a token.
    pub needs_token: bool,
    /// The address that clients push to, if they can.
    pub push_url: Option<&'a str>,
    /// The roots, if the visitor may see them.
    pub roots: Option<RootsSection<'a>>,
    /// The paths that the storage keeps, if the visitor may see that.
    pub retention: Option<RetentionSection<'a>>,
}

/// The `Content-Security-Policy` of the page: its own style sheet, known by its hash, questions to itself, and nothing else.
#[must_use]
pub fn content_security_policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let style = Sha256Digest::of(STYLE.as_bytes()).to_sri();
        format!(
            "default-src 'none'; style-src '{style}'; base-uri 'none'; form-action 'self'; \
             frame-ancestors 'none'"
        )
    });
    &POLICY
}

impl Page<'_> {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self) -> String {
        let name = self.url.split_once("://").map_or(self.url, |(_, name)| name);
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { "Nix binary cache at " (name) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header {
                        p.kind { "Nix binary cache" }
                        h1 { (name) }
                        p {
                            "Nix downloads store paths from here instead of building them. This server answers "
                            "from the Nix store in " code { (self.store_dir.as_str()) } "."
                        }
                    }
                    main {
                        (self.notice())
                        (self.facts())
                        @if let Some(roots) = self.roots { (roots.render()) }
                        @if let Some(retention) = self.retention { (retention.render()) }
                        (self.usage())
                    }
                    footer {
                        nav aria-label="Endpoints" {
                            a href="nix-cache-info" { "nix-cache-info" }
                            a href="pubkey" { "pubkey" }
                            a href="readyz" { "readyz" }
                            a href="metrics" { "metrics" }
                        }
                        p { "rust-nix-serve " (env!("CARGO_PKG_VERSION")) }
                    }
                }
            }
        }
        .into_string()
    }

    fn notice(&self) -> Markup {
        html! {
            @if self.keys_missing {
                p.notice role="status" {
                    strong { "Not ready. " }
                    "A signing key cannot be used, so nothing can be downloaded until the operator has mended "
                    "that. The server's log has the reason."
                }
            }
        }
    }

    fn facts(&self) -> Markup {
        html! {
            section aria-labelledby="about" {
                h2 #about { "About this cache" }
                dl {
                    dt { "Address" }
                    dd { code { (self.url) } }
                    dt { @if self.keys.len() > 1 { "Public keys" } @else { "Public key" } }
                    dd {
                        @for key in self.keys { code { (key) } }
                        @if self.keys.is_empty() { "none: paths carry the signatures they came with" }
                    }
                    dt { "Priority" }
                    dd { (self.priority) (self.compared()) }
                }
            }
        }
    }

    /// cache.nixos.org announces 40, and the lower number is asked first.
    const fn compared(&self) -> &'static str {
        match self.priority {
            ..40 => ", asked before cache.nixos.org",
            40 => ", like cache.nixos.org",
            _ => ", asked after cache.nixos.org",
        }
    }

    fn usage(&self) -> Markup {
        let client = ClientConfiguration { url: self.url, keys: self.keys };
        html! {
            section aria-labelledby="use" {
                h2 #use { "Use it" }
                (example("On NixOS", "In the system configuration:", &client.nixos()))
                (example("With nix.conf", "In /etc/nix/nix.conf, after which the Nix daemon is restarted:", &client.nix_conf()))
                @if self.needs_token {
                    (example(
                        "With a token",
                        "This cache is private. The Nix daemon reads the token that you were given from /etc/nix/netrc, \
                         which only root should be able to read; `nix copy` reads the file that --netrc-file names:",
                        &client.netrc(),
                    ))
                }
                (example("For a single path", "Without changing any configuration, as root or as a user whom the Nix daemon trusts:", &client.copy(self.store_dir)))
                @if let Some(push_url) = self.push_url {
                    (example(
                        "Push to it",
                        "With a token that allows to push, in a netrc file (machine HOST login NAME password TOKEN):",
                        &client.push(push_url, self.store_dir),
                    ))
                }
                @if self.keys.is_empty() && !self.keys_missing {
                    p {
                        "This server adds no signature of its own. Clients take a path when it carries the "
                        "signature of a key that they trust already."
                    }
                }
            }
        }
    }
}

fn example(title: &str, place: &str, text: &str) -> Markup {
    html! {
        h3 { (title) }
        p { (place) }
        pre { code { (text) } }
    }
}

#[cfg(test)]
mod tests {
    use rns_formats::{KeyName, SecretKey};

    use super::*;

    fn key(name: &str) -> PublicKey {
        SecretKey::from_seed(KeyName::parse(name).unwrap(), &[3; 32]).public_key()
    }

    fn page(url: &str, keys: &[PublicKey], keys_missing: bool) -> String {
        let store_dir = StoreDir::default();
        Page {
            url,
            store_dir: &store_dir,
            priority: 50,
            keys,
            keys_missing,
            needs_token: false,
            push_url: None,
            roots: None,
            retention: None,
        }
        .render()
    }

    #[test]
    fn the_page_of_a_private_cache_shows_the_line_for_netrc() {
        let store_dir = StoreDir::default();
        let url = "https://cache.example.org:8443/team-a";
        let page = |needs_token| {
            let page = Page {
                url,
                store_dir: &store_dir,
                priority: 50,
                keys: &[],
                keys_missing: false,
                needs_token,
                push_url: needs_token.then_some("https://cache.example.org:8443/team-a/push"),
                roots: None,
                retention: None,
            };
            page.render()
        };
        assert!(
            page(true).contains("machine cache.example.org login NAME password TOKEN"),
            "{}",
            page(true)
        );
        assert!(!page(false).contains("netrc"), "{}", page(false));
        let push =
            "nix copy --to '$CACHE/push?compression=zstd' --netrc-file &quot;$PWD/netrc&quot;"
                .replace("$CACHE", "https://cache.example.org:8443/team-a");
        assert!(page(true).contains(&push) && !page(false).contains("nix copy --to"));
    }

    #[test]
    fn holds_all_that_a_client_needs() {
        let keys = [key("cache.example.org-1"), key("cache.example.org-2")];
        let html = page("https://cache.example.org", &keys, false);
        for key in &keys {
            assert!(html.contains(&key.to_string()), "{html}");
        }
        for text in [
            "extra-substituters = https://cache.example.org\n",
            "nix copy --from https://cache.example.org /nix/store/",
            "<title>Nix binary cache at cache.example.org</title>",
            "asked after cache.nixos.org",
            "Public keys",
        ] {
            assert!(html.contains(text), "{text}: {html}");
        }
        assert!(!html.contains("Not ready"));
    }

    #[test]
    fn loads_and_runs_nothing() {
        let html = page("http://localhost:5000", &[], false);
        assert!(!html.contains("<script") && !html.contains(" src=") && !html.contains("<link"));
        assert!(!html.contains(" style=\""), "the policy allows the style sheet only");
    }

    #[test]
    fn markup_in_names_is_text() {
        let html = page("http://<script>alert(1)</script>", &[], false);
        assert!(!html.contains("<script>"), "{html}");
    }

    #[test]
    fn says_when_nothing_is_signed_and_when_a_key_is_missing() {
        assert!(page("http://h", &[], false).contains("adds no signature"));
        let html = page("http://h", &[], true);
        assert!(html.contains("Not ready") && !html.contains("adds no signature"), "{html}");
    }

    #[test]
    fn the_policy_knows_the_style_sheet() {
        let policy = content_security_policy();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    }
}

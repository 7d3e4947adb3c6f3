//! The lines for a client's configuration.

use std::fmt::Write;

use rns_formats::{PublicKey, StoreDir};

/// The settings that make a client use this server.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientConfiguration<'a> {
    /// The server's address, without a slash at the end.
    pub(super) url: &'a str,
    /// The keys that sign its narinfos.
    pub(super) keys: &'a [PublicKey],
}

impl ClientConfiguration<'_> {
    /// Lines for `nix.conf`.
    pub(super) fn nix_conf(&self) -> String {
        let mut text = format!("extra-substituters = {}\n", self.url);
        if !self.keys.is_empty() {
            text.push_str("extra-trusted-public-keys =");
            for key in self.keys {
                // A string takes everything that is written to it.
                let _ = write!(text, " {key}");
            }
            text.push('\n');
        }
        text
    }

    /// Settings of NixOS, which keeps cache.nixos.org beside them.
    pub(super) fn nixos(&self) -> String {
        let mut text = format!("nix.settings = {{\n  substituters = [ \"{}\" ];\n", self.url);
        match self.keys {
            [] => {}
            [key] => {
                let _ = writeln!(text, "  trusted-public-keys = [ \"{key}\" ];");
            }
            keys => {
                text.push_str("  trusted-public-keys = [\n");
                for key in keys {
                    let _ = writeln!(text, "    \"{key}\"");
                }
                text.push_str("  ];\n");
            }
        }
        text.push_str("};\n");
        text
    }

    /// The line for a netrc file. It has a login: without one, older versions of curl send no password.
    pub(super) fn netrc(&self) -> String {
        let rest = self.url.split_once("://").map_or(self.url, |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or(rest);
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        };
        format!("machine {host} login NAME password TOKEN\n")
    }

    /// The command that pushes one path.
    pub(super) fn push(&self, push_url: &str, store_dir: &StoreDir) -> String {
        format!(
            "nix copy --to '{push_url}?compression=zstd' --netrc-file \"$PWD/netrc\" {}/<hash>-<name>\n",
            store_dir.as_str()
        )
    }

    /// The command that fetches one path.
    pub(super) fn copy(&self, store_dir: &StoreDir) -> String {
        let mut text = format!("nix copy --from {} {}/<hash>-<name>", self.url, store_dir.as_str());
        if !self.keys.is_empty() {
            let keys: Vec<_> = self.keys.iter().map(ToString::to_string).collect();
            let _ = write!(text, " \\\n  --option extra-trusted-public-keys '{}'", keys.join(" "));
        }
        text.push('\n');
        text
    }
}

/// The address under which a visitor knows the server: the configured one, or else the `Host` that the browser
/// sent. A `Host` that is no host name is not repeated.
#[must_use]
pub fn visited_url(public_url: Option<&str>, tls: bool, host: Option<&str>) -> String {
    if let Some(url) = public_url.map(|url| url.trim_end_matches('/')).filter(|url| !url.is_empty())
    {
        return url.to_owned();
    }
    let scheme = if tls { "https" } else { "http" };
    let host = host.filter(|host| is_host(host)).unwrap_or("localhost");
    format!("{scheme}://{host}")
}

fn is_host(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    (1..=260).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use rns_formats::{KeyName, SecretKey};

    use super::*;

    fn keys(number: u8) -> Vec<PublicKey> {
        let key = |n| SecretKey::from_seed(KeyName::parse(&format!("k-{n}")).unwrap(), &[n; 32]);
        (0..number).map(|n| key(n).public_key()).collect()
    }

    #[test]
    fn nix_conf_has_all_keys_in_one_line() {
        let keys = keys(2);
        let text = ClientConfiguration { url: "http://h:5000", keys: &keys }.nix_conf();
        assert_eq!(
            text,
            format!(
                "extra-substituters = http://h:5000\nextra-trusted-public-keys = {} {}\n",
                keys[0], keys[1]
            )
        );
        let unsigned = ClientConfiguration { url: "http://h:5000", keys: &[] }.nix_conf();
        assert_eq!(unsigned, "extra-substituters = http://h:5000\n");
    }

    #[test]
    fn nixos_settings_are_a_closed_attribute_set() {
        for number in 0..3 {
            let keys = keys(number);
            let text = ClientConfiguration { url: "http://h", keys: &keys }.nixos();
            assert!(text.starts_with("nix.settings = {\n") && text.ends_with("};\n"), "{text}");
            assert_eq!(text.matches('[').count(), text.matches("];").count(), "{text}");
            assert!(keys.iter().all(|key| text.contains(&format!("\"{key}\""))), "{text}");
        }
    }

    #[test]
    fn the_visitors_own_address_is_shown() {
        assert_eq!(visited_url(None, false, Some("10.0.0.1:5000")), "http://10.0.0.1:5000");
        assert_eq!(visited_url(None, true, Some("[::1]:5443")), "https://[::1]:5443");
        let public = Some("https://cache.example.org/");
        assert_eq!(visited_url(public, false, Some("x")), "https://cache.example.org");
        assert_eq!(visited_url(Some(""), false, Some("x")), "http://x");
    }

    #[test]
    fn a_host_that_is_none_is_not_repeated() {
        for host in ["", "a b", "a\"; evil = \"", "<b>", "a/b", &"x".repeat(300)] {
            assert_eq!(visited_url(None, false, Some(host)), "http://localhost");
        }
        assert_eq!(visited_url(None, false, None), "http://localhost");
    }
}

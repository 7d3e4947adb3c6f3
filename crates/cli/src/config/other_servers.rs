//! Keys of other binary cache servers, and the keys of this program that replace them.

/// The hint for a key of another server, by its dotted path.
pub(crate) fn advice(path: &str) -> Option<&'static str> {
    KEYS_OF_OTHERS.iter().find(|(name, _)| *name == path).map(|(_, advice)| *advice)
}

/// Names from harmonia's file unless said otherwise.
const KEYS_OF_OTHERS: &[(&str, &str)] = &[
    ("bind", "write `listen = [\"…\"]`"),
    ("max_connections", "write `connections` in [limits]; it counts all connections together"),
    ("max_connection_rate", "there is no such limit; leave it out"),
    ("priority", "write `priority` in [cache_info]"),
    ("virtual_nix_store", "write `dir` in [store]"),
    ("real_nix_store", "write `real_dir` in [store], or only `root`, the directory above it"),
    ("nix_db_path", "write `database` in [store]"),
    ("sign_key_path", "write `keys = [\"…\"]` in [signing]"),
    ("sign_key_paths", "write `keys = [\"…\"]` in [signing]"),
    ("tls_cert_path", "write `certificate` in [tls], and tls:// before the address in `listen`"),
    ("tls_key_path", "write `key` in [tls]"),
    ("enable_compression", "leave it out: NARs are never sent with a Content-Encoding"),
    ("zstd", "leave it out: NARs are never sent with a Content-Encoding"),
    ("zstd.level", "leave it out: NARs are never sent with a Content-Encoding"),
    // The NixOS options of nix-serve and harmonia, written as keys.
    ("port", "write `listen = [\"ADDRESS:PORT\"]`"),
    ("bindAddress", "write `listen = [\"ADDRESS:PORT\"]`"),
    ("host", "write `listen = [\"ADDRESS:PORT\"]`"),
    ("socket", "write `listen = [\"unix:/path\"]`"),
    ("secretKeyFile", "write `keys = [\"…\"]` in [signing]"),
    ("secret_key_file", "write `keys = [\"…\"]` in [signing]"),
    ("signKeyPaths", "write `keys = [\"…\"]` in [signing]"),
    ("timeout", "write `stall_timeout = \"…s\"` in [limits]"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::KNOWN_KEYS;

    #[test]
    fn advice_never_hides_a_key_of_ours_and_names_only_keys_that_exist() {
        for (name, advice) in KEYS_OF_OTHERS {
            assert!(KNOWN_KEYS.key(name).is_none(), "{name}");
            assert!(!KNOWN_KEYS.is_section(name), "{name}");
            let words: Vec<&str> = advice.split(['`', ' ', '=']).collect();
            if words.contains(&"write") {
                let exists = KNOWN_KEYS
                    .keys
                    .iter()
                    .any(|key| words.contains(&key.path.rsplit('.').next().unwrap()));
                assert!(exists, "{advice}");
            }
        }
        assert_eq!(advice("bind"), Some("write `listen = [\"…\"]`"));
    }
}

//! Whole configurations: the values they resolve to, and the problems of wrong ones.

use std::time::Duration;

use clap::Parser as _;
use rns_nix_store::Verify;
use rns_server::config::{Listener, SigningPolicy};

use super::*;
use crate::args::Cli;

pub(super) fn load_with(
    text: &str,
    variables: &[(&str, &str)],
    flags: &[&str],
) -> Result<Loaded, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("c.toml");
    fs::write(&file, text).unwrap();
    let environment =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut cli = Cli::try_parse_from([&["rust-nix-serve"], flags].concat()).unwrap();
    cli.serve.config = Some(file);
    load(&cli.serve, &environment, PassedSockets::OfThisProcess)
}

pub(crate) fn load_text(text: &str) -> Result<Loaded, ConfigError> {
    load_with(text, &[], &[])
}

pub(super) fn refusal(text: &str) -> String {
    load_with(text, &[], &[]).unwrap_err().to_string()
}

#[test]
fn nothing_said_is_the_machines_own_store_on_both_loopbacks() {
    // A file with keys, since one without is warned of.
    let loaded = load_with("workers = 0\n", &[], &[]).unwrap();
    let addresses: Vec<(String, bool)> = loaded
        .server
        .listeners
        .iter()
        .map(|listener| match listener {
            Listener::Tcp { addr, tls: false, optional } => (addr.to_string(), *optional),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(addresses, [("127.0.0.1:5000".into(), false), ("[::1]:5000".into(), true)]);
    let store = &loaded.store;
    assert_eq!(store.database, Path::new("/nix/var/nix/db/db.sqlite"));
    assert_eq!(store.real_dir, Path::new("/nix/store"));
    assert_eq!(loaded.server.caches.default.priority, 50);
    assert_eq!(loaded.server.caches.default.signing.policy, SigningPolicy::Add);
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn the_environment_goes_over_the_file_and_flags_over_both() {
    let text =
        "[cache_info]\npriority = 1\n[log]\nlevel = \"warn\"\n[signing]\nkeys = [\"/file\"]\n";
    let variables = [("RUST_NIX_SERVE_CACHE_INFO_PRIORITY", "2"), ("NIX_SECRET_KEY_FILE", "/env")];
    let loaded = load_with(text, &variables, &["--priority", "3"]).unwrap();
    assert_eq!(loaded.server.caches.default.priority, 3);
    assert_eq!(loaded.settings.source("cache_info.priority"), ValueSource::Flag("--priority"));
    assert_eq!(loaded.server.caches.default.signing.keys, [Path::new("/env")]);
    assert_eq!(loaded.log.level, "warn");
    assert!(loaded.settings.source("log.level").to_string().ends_with("c.toml:4"));
}

#[test]
fn a_store_below_another_root_moves_as_a_whole() {
    let text = "[store]\nroot = \"/mnt\"\nverify = \"always\"\nlayout_cache = \"1M\"\ndaemon_socket = \"none\"\n";
    let store = load_with(text, &[], &[]).unwrap().store;
    assert_eq!(store.real_dir, Path::new("/mnt/nix/store"));
    assert_eq!(store.database, Path::new("/mnt/nix/var/nix/db/db.sqlite"));
    assert_eq!(store.log_dir, Path::new("/mnt/nix/var/log/nix/drvs"));
    assert_eq!(store.daemon_socket, None);
    assert_eq!(store.verify, Verify::Always);
    assert_eq!(store.layout_cache_bytes, 1 << 20);
    let text = "[store]\nroot = \"/mnt\"\ndatabase = \"/db\"\nreal_dir = \"/paths\"\ndaemon_socket = \"/sock\"\n";
    let store = load_with(text, &[], &[]).unwrap().store;
    assert_eq!(
        (store.database.as_path(), store.real_dir.as_path()),
        (Path::new("/db"), Path::new("/paths"))
    );
    assert_eq!(store.daemon_socket.as_deref(), Some(Path::new("/sock")));
}

#[test]
fn relative_keys_are_looked_for_among_the_credentials() {
    let text = "[signing]\nkeys = [\"sign-key\", \"/abs\"]\n";
    let variables = [("CREDENTIALS_DIRECTORY", "/run/credentials/x.service")];
    let keys = load_with(text, &variables, &[]).unwrap().server.caches.default.signing.keys;
    assert_eq!(keys, [Path::new("/run/credentials/x.service/sign-key"), Path::new("/abs")]);
    let keys = load_with(text, &[], &[]).unwrap().server.caches.default.signing.keys;
    assert_eq!(keys.first().unwrap(), &std::env::current_dir().unwrap().join("sign-key"));
}

#[test]
fn sockets_tls_and_limits_arrive_typed() {
    let text = "listen = [\"tls://*:5443\", \"unix:/run/a.sock\"]\nshutdown_grace = \"5m\"\n\
                [unix]\nmode = \"0600\"\n[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n[limits]\nidle_timeout = \"75s\"\n";
    let server = load_with(text, &[], &[]).unwrap().server;
    assert!(matches!(
        server.listeners.first(),
        Some(Listener::Tcp { tls: true, optional: false, .. })
    ));
    assert!(matches!(
        server.listeners.get(1),
        Some(Listener::Tcp { tls: true, optional: true, .. })
    ));
    assert_eq!(
        server.listeners.get(2),
        Some(&Listener::Unix { path: "/run/a.sock".into(), mode: 0o600 })
    );
    assert_eq!(server.tls.unwrap().key, Path::new("/k"));
    assert_eq!(server.shutdown_grace, Duration::from_secs(300));
    assert_eq!(server.limits.idle_timeout, Duration::from_secs(75));
}

#[test]
fn all_problems_are_told_at_once() {
    let said = refusal(
        "listen = [\"nowhere\", \"tls://0.0.0.0:1\"]\nworkers = \"all\"\npublic_url = \"cache.example.org\"\n\
         frobnicate = 1\n[unix]\nmode = \"rw\"\n[store]\ndir = \"nix\"\nroot = \"mnt\"\nreaders = 0\n\
         [signing]\nsigned_by = [\"x\"]\n[tls]\nkey = \"/k\"\n[limits]\ndownloads = 0\nheader_timeout = \"0s\"\n\
         [log]\nlevel = \"inof\"\n",
    );
    let expected = [
        "listen (",
        "`nowhere` is not an address",
        "workers (",
        "public_url (",
        "frobnicate (",
        "unix.mode (",
        "store.dir (",
        "store.root (",
        "store.readers (",
        "signing.signed_by (",
        "`x`:",
        "tls.certificate:",
        "limits.downloads (",
        "limits.header_timeout (",
        "log.level (",
        "`inof` is not a log level",
    ];
    for part in expected {
        assert!(said.contains(part), "{part}\nin\n{said}");
    }
}

#[test]
fn a_certificate_that_nobody_speaks_is_refused_unless_systemd_passes_a_socket_for_it() {
    let text = "[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n";
    assert!(refusal(text).contains("no address in `listen` speaks TLS"), "{}", refusal(text));
    assert!(load_with(text, &[("LISTEN_FDNAMES", "http:tls")], &[]).is_ok());
}

#[test]
fn a_socket_that_locks_out_its_owner_is_refused() {
    assert!(refusal("[unix]\nmode = \"0066\"\n").contains("mode 0066 locks out the owner"));
    assert!(load_with("[unix]\nmode = \"0666\"\n", &[], &[]).is_ok());
}

#[test]
fn policies_and_their_keys_belong_together() {
    let key = "test-1:etCiKKBZtOeNvBtc/+IEWoZIRIfdbH92B3tu7xf64ME=";
    let text = format!("[signing]\npolicy = \"signed-by\"\nsigned_by = [\"{key}\"]\n");
    let policy = load_with(&text, &[], &[]).unwrap().server.caches.default.signing.policy;
    assert!(
        matches!(&policy, SigningPolicy::SignedBy(keys) if keys.len() == 1 && keys[0].to_string() == key)
    );
    assert!(refusal("[signing]\npolicy = \"signed-by\"\n").contains("needs public keys"));
    assert!(
        refusal(&format!("[signing]\nsigned_by = [\"{key}\"]\n"))
            .contains("only the policy signed-by")
    );
    let loaded = load_with("[signing]\npolicy = \"keep\"\nkeys = [\"/k\"]\n", &[], &[]).unwrap();
    assert!(loaded.warnings[0].contains("sign nothing"), "{:?}", loaded.warnings);
}

#[test]
fn what_everybody_may_do_has_to_be_said_where_clients_are_told_apart() {
    let holders = [
        "tokens = \"/t\"\n",
        "subjects = [\"read: CN=ci\"]\n",
        "[access.oidc.ci]\nissuer = \"https://ci.example.org\"\naudience = \"a\"\nclaims = [\"sub=x\"]\nallow = [\"read\"]\n",
    ];
    for holders in holders {
        let said = refusal(&format!("[access]\n{holders}"));
        assert!(said.contains("access.anonymous:") && said.contains("must be written"), "{said}");
        for anonymous in ["[]", "[\"read\"]"] {
            load_with(&format!("[access]\nanonymous = {anonymous}\n{holders}"), &[], &[]).unwrap();
        }
        let closed = [("RUST_NIX_SERVE_ACCESS_ANONYMOUS", "")];
        let loaded = load_with(&format!("[access]\n{holders}"), &closed, &[]).unwrap();
        assert!(loaded.server.caches.default.access.anonymous.is_empty());
    }
    // A named cache is closed without a word.
    load_with("expose.everything = true\n[cache.a]\npath = \"/a\"\nexpose.everything = true\naccess.tokens = \"/t\"\n", &[], &[]).unwrap();
}

#[test]
fn a_file_that_was_asked_for_must_be_there() {
    let args = ServeArgs { config: Some("/nonexistent/c.toml".into()), ..ServeArgs::default() };
    let said =
        load(&args, &Environment::default(), PassedSockets::OfThisProcess).unwrap_err().to_string();
    assert!(said.contains("flag --config") && said.contains("/nonexistent/c.toml"), "{said}");
    let environment = [("RUST_NIX_SERVE_CONFIG".to_owned(), "/".to_owned())].into_iter().collect();
    let said = load(&ServeArgs::default(), &environment, PassedSockets::OfThisProcess)
        .unwrap_err()
        .to_string();
    assert!(said.contains("RUST_NIX_SERVE_CONFIG") && said.contains("not a directory"), "{said}");
}

#[test]
fn only_words_about_store_or_keys_make_a_missing_store_an_outage() {
    let said = |variables: &[(&str, &str)], flags: &[&str]| {
        let environment = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let cli = Cli::try_parse_from([&["rust-nix-serve"], flags].concat()).unwrap();
        load(&cli.serve, &environment, PassedSockets::OfThisProcess).unwrap().is_deliberate()
    };
    assert!(!said(&[], &[]));
    assert!(!said(&[], &["--port", "1"]));
    assert!(said(&[], &["--store", "/mnt"]));
    assert!(said(&[("NIX_SECRET_KEY_FILE", "/k")], &[]));
    assert!(load_with("", &[], &[]).unwrap().is_deliberate());
}

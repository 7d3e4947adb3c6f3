//! Flags of `serve` as a layer of the configuration.

use std::{path::PathBuf, time::Duration};

use toml::Value;

use super::{
    kind::list,
    listen,
    problem::{Problem, ValueSource},
    settings::Settings,
    store_uri,
    units::Span,
};
use crate::args::ServeArgs;

/// Which flag sets which key.
pub(crate) const FLAGS: &[(&str, &str)] = &[
    ("--listen", "listen"),
    ("--host", "listen"),
    ("--port", "listen"),
    ("--socket", "listen"),
    ("--workers", "workers"),
    ("--public-url", "public_url"),
    ("--store", "store.root"),
    ("--storage", "storage.url"),
    ("--priority", "cache_info.priority"),
    ("--signing-key", "signing.keys"),
    ("--signing-policy", "signing.policy"),
    ("--ssl-cert", "tls.certificate"),
    ("--ssl-key", "tls.key"),
    ("--timeout", "limits.stall_timeout"),
    ("--keepalive-timeout", "limits.idle_timeout"),
    ("--read-timeout", "limits.header_timeout"),
    ("--log-level", "log.level"),
    ("--quiet", "log.level"),
    ("--verbose", "log.level"),
    ("--log-format", "log.format"),
];

/// Puts the values of the flags over the layers below.
pub(crate) fn read(
    args: &ServeArgs,
    settings: &mut Settings,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<String>,
) {
    let ignored = args.ignored.given();
    if !ignored.is_empty() {
        warnings.push(format!("ignored, because it means nothing here: {}", ignored.join(", ")));
    }
    addresses(args, settings, problems);
    if let Some(store) = &args.store {
        read_store(store, settings, problems);
    }
    let mut set = |flag, value: Option<Value>| {
        if let Some(value) = value {
            put(settings, flag, value);
        }
    };
    let text = |value: &Option<String>| value.clone().map(Value::String);
    let seconds = |value: Option<u64>| value.map(|count| duration(Duration::from_secs(count)));
    set("--workers", args.workers.map(|count| Value::Integer(count.into())));
    set("--public-url", text(&args.public_url));
    set("--storage", text(&args.storage));
    set("--priority", args.priority.map(Value::Integer));
    set("--signing-policy", text(&args.signing_policy));
    set("--ssl-cert", text(&args.ssl_cert));
    set("--ssl-key", text(&args.ssl_key));
    set("--timeout", seconds(args.timeout));
    set("--keepalive-timeout", seconds(args.keepalive_timeout));
    set("--read-timeout", seconds(args.read_timeout));
    set("--log-level", text(&args.log_level));
    set("--log-format", text(&args.log_format));
    set("--quiet", args.quiet.then(|| "warn".into()));
    set("--verbose", args.verbose.then(|| "debug".into()));
    let keys = &args.signing_key;
    set("--signing-key", (!keys.is_empty()).then(|| list(keys.iter().map(String::as_str))));
}

fn duration(duration: Duration) -> Value {
    Value::String(Span(duration).to_string())
}

fn put(settings: &mut Settings, flag: &'static str, value: Value) {
    if let Some((_, key)) = FLAGS.iter().find(|(name, _)| *name == flag) {
        settings.set(key, value, ValueSource::Flag(flag));
    }
}

/// `--listen` and `--socket` replace the addresses of the layers below; `--host` and `--port` change them.
fn addresses(args: &ServeArgs, settings: &mut Settings, problems: &mut Vec<Problem>) {
    let configured = settings.list("listen");
    let mut flag = None;
    let mut addresses: Vec<String> = args.listen.clone();
    if !addresses.is_empty() {
        flag = Some("--listen");
    }
    if let Some(path) = &args.socket {
        addresses.push(format!("unix:{}", absolute(path).display()));
        flag = flag.or(Some("--socket"));
    }
    if let Some(host) = &args.host {
        let port = args.port.or_else(|| configured.iter().find_map(|entry| listen::port(entry)));
        addresses.push(listen::join(host, port.unwrap_or(5000)));
        flag = flag.or(Some("--host"));
    } else if let Some(port) = args.port {
        let has_port = configured.iter().any(|entry| listen::port(entry).is_some());
        if !has_port && args.listen.is_empty() && args.socket.is_none() {
            problems.push(Problem {
                key: "listen".into(),
                source: ValueSource::Flag("--port"),
                reason: "`listen` has only unix sockets, and these have no port".to_owned(),
                hint: Some(format!("write --listen ADDRESS:{port}, or leave --port out")),
            });
        }
        addresses.extend(configured.iter().map(|entry| listen::with_port(entry, port)));
        flag = flag.or(Some("--port"));
    } else if flag.is_none() && settings.source("listen") == ValueSource::Default {
        addresses = configured;
    }
    // As with nix-serve-ng, a certificate makes plain addresses of the command line speak TLS.
    if let Some(flag) =
        args.ssl_cert.as_ref().map(|_| "--ssl-cert").filter(|_| !addresses.is_empty())
    {
        let secured = addresses.iter().map(|entry| match listen::port(entry) {
            Some(_) if !entry.starts_with("tls://") => format!("tls://{entry}"),
            _ => entry.clone(),
        });
        let secured: Vec<String> = secured.collect();
        let value = list(secured.iter().map(String::as_str));
        settings.set("listen", value, ValueSource::Flag(flag));
    } else if let Some(flag) = flag {
        put(settings, flag, list(addresses.iter().map(String::as_str)));
    }
}

fn read_store(text: &str, settings: &mut Settings, problems: &mut Vec<Problem>) {
    match store_uri::parse(text) {
        Ok(store) => {
            let root =
                store.root.map_or_else(String::new, |root| absolute(&root).display().to_string());
            put(settings, "--store", Value::String(root));
            if let Some(socket) = store.daemon_socket {
                settings.set(
                    "store.daemon_socket",
                    Value::String(socket),
                    ValueSource::Flag("--store"),
                );
            }
        }
        Err(error) => problems.push(Problem {
            key: "store.root".into(),
            source: ValueSource::Flag("--store"),
            reason: error.to_string(),
            hint: Some("expected a directory, `local?root=/directory`, `daemon` or `auto`".into()),
        }),
    }
}

/// A path of the command line is meant from where the command is given.
fn absolute(path: &PathBuf) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.clone())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::{args::Cli, config::schema::KNOWN_KEYS};

    fn read_flags(flags: &[&str], below: &[(&str, Value)]) -> (Settings, Vec<String>) {
        let cli = Cli::try_parse_from([&["rust-nix-serve"], flags].concat()).unwrap();
        let mut settings = Settings::default();
        for (key, value) in below {
            settings.set(key, value.clone(), ValueSource::Environment("BELOW".into()));
        }
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        read(&cli.serve, &mut settings, &mut problems, &mut warnings);
        let mut said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        said.extend(warnings);
        (settings, said)
    }

    #[test]
    fn every_flag_exists_and_sets_a_key_that_exists() {
        let command = Cli::command();
        for (flag, key) in FLAGS {
            let name = flag.trim_start_matches("--");
            assert!(command.get_arguments().any(|arg| arg.get_long() == Some(name)), "{flag}");
            assert!(KNOWN_KEYS.key(key).is_some(), "{key}");
        }
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            let long = format!("--{}", arg.get_long().unwrap());
            let known = FLAGS.iter().any(|(flag, _)| *flag == long);
            assert!(known || long == "--config", "{long} is not in the table");
        }
    }

    #[test]
    fn the_flags_of_nix_serve_and_nix_serve_ng_are_understood() {
        let flags = ["--host", "0.0.0.0", "--port", "8080", "--priority", "40", "--timeout", "600"];
        let (settings, said) = read_flags(&flags, &[]);
        assert_eq!(said, Vec::<String>::new());
        assert_eq!(settings.list("listen"), ["0.0.0.0:8080"]);
        let raw = settings.typed(&mut Vec::new());
        assert_eq!(raw.cache_info.priority, 40);
        assert_eq!(raw.limits.stall_timeout, Span::seconds(600));
        assert_eq!(settings.source("listen"), ValueSource::Flag("--host"));
    }

    #[test]
    fn a_port_alone_changes_the_port_of_what_is_configured() {
        let (settings, _) = read_flags(&["--port", "8080"], &[]);
        assert_eq!(settings.list("listen"), ["127.0.0.1:8080", "[::1]:8080"]);
        let below = [("listen", list(["0.0.0.0:1", "unix:/a"].into_iter()))];
        let (settings, _) = read_flags(&["-p", "8080"], &below);
        assert_eq!(settings.list("listen"), ["0.0.0.0:8080", "unix:/a"]);
        let (settings, _) = read_flags(&["--host", "10.0.0.1"], &below);
        assert_eq!(settings.list("listen"), ["10.0.0.1:1"]);
    }

    #[test]
    fn a_port_is_refused_where_there_are_only_unix_sockets() {
        let below = [("listen", list(["unix:/a"].into_iter()))];
        let (_, said) = read_flags(&["--port", "8080"], &below);
        assert!(said.join("").contains("listen (flag --port): `listen` has only unix"), "{said:?}");
        let (settings, said) = read_flags(&["--host", "127.0.0.1", "--port", "8080"], &below);
        assert_eq!((settings.list("listen"), said), (vec!["127.0.0.1:8080".to_owned()], vec![]));
    }

    #[test]
    fn a_certificate_makes_the_addresses_speak_tls() {
        let (settings, _) = read_flags(&["--ssl-cert", "c", "--ssl-key", "k", "--port", "1"], &[]);
        assert_eq!(settings.list("listen"), ["tls://127.0.0.1:1", "tls://[::1]:1"]);
        let (settings, _) = read_flags(&["--ssl-cert", "c"], &[]);
        assert_eq!(settings.list("listen"), ["tls://127.0.0.1:5000", "tls://[::1]:5000"]);
        let below = [("listen", list(["127.0.0.1:1"].into_iter()))];
        let (settings, _) = read_flags(&["--ssl-cert", "c"], &below);
        assert_eq!(settings.list("listen"), ["127.0.0.1:1"]);
    }

    #[test]
    fn flags_without_a_meaning_are_named_once() {
        let (_, said) =
            read_flags(&["-E", "production", "--preload-app", "--max-requests", "5"], &[]);
        assert_eq!(
            said,
            ["ignored, because it means nothing here: --env, --max-requests, --preload-app"]
        );
    }

    #[test]
    fn stores_that_are_not_on_this_machine_are_refused() {
        let (settings, _) = read_flags(&["--store", "/mnt"], &[]);
        assert_eq!(settings.typed(&mut Vec::new()).store.root, "/mnt");
        let (_, said) = read_flags(&["--store", "ssh://host"], &[]);
        assert!(said.join("").contains("store.root (flag --store)"), "{said:?}");
    }
}

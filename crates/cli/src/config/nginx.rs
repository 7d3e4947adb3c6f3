//! The listener that belongs to nginx, and the files that nginx sends itself.

use rns_server::config::{Listener, Nginx};

use super::{diagnostics::Diagnostics, listen, nar_cache, raw::RawConfig};

const LOCATION_HINT: &str = "expected something like \"/nar-cache/\"";

/// The configuration of `[nginx]`. `None` when the table is empty.
pub(super) fn resolve(
    raw: &RawConfig,
    listeners: &[Listener],
    diagnostics: &mut Diagnostics<'_>,
) -> Option<Nginx> {
    let (location, listen) = (&raw.nginx.location, &raw.nginx.listen);
    if location.is_empty() {
        if listen.is_empty() {
            return None;
        }
        return Some(Nginx {
            listeners: nginx_listeners(raw, listeners, diagnostics),
            prefix: None,
        });
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    if !location.starts_with('/')
        || !location.ends_with('/')
        || location.len() < 3
        || !location.bytes().all(plain)
    {
        diagnostics.problem(
            "nginx.location",
            format!("`{location}` is not the prefix of a location"),
            LOCATION_HINT,
        );
    }
    if !nar_cache::is_there(&raw.nar_cache, diagnostics) {
        let hint = "write a compression or a directory in [nar_cache]";
        diagnostics.problem(
            "nginx.location",
            "there is no NAR cache whose files nginx could send",
            hint,
        );
    }
    Some(Nginx {
        listeners: nginx_listeners(raw, listeners, diagnostics),
        prefix: Some(location.clone()),
    })
}

/// The listeners that belong to nginx. A TCP listener is refused where `subjects` are used: any program that can connect
/// could claim any certificate.
fn nginx_listeners(
    raw: &RawConfig,
    listeners: &[Listener],
    diagnostics: &mut Diagnostics<'_>,
) -> Vec<Listener> {
    let marked = marked(&raw.nginx.listen, listeners, diagnostics);
    let has_subjects = !raw.access.subjects.is_empty()
        || raw.cache.values().any(|cache| !cache.access.subjects.is_empty());
    let is_tcp = marked.iter().any(|listener| matches!(listener, Listener::Tcp { .. }));
    if has_subjects && is_tcp && raw.tls.client_ca.is_empty() {
        diagnostics.problem(
            "nginx.listen",
            "client certificates that nginx reports (`subjects`) are trusted on a unix socket only",
            "let nginx connect to a unix socket, or let clients show their certificates here: `tls.client_ca`",
        );
    }
    marked
}

/// The listeners that an entry of `listen` has become.
fn marked(text: &str, listeners: &[Listener], diagnostics: &mut Diagnostics<'_>) -> Vec<Listener> {
    if text.is_empty() {
        if !diagnostics.may_get_socket("nginx") {
            let hint = "name the entry of `listen` that only nginx connects to, or a socket of systemd `nginx`";
            diagnostics.problem("nginx.listen", "no listener belongs to nginx", hint);
        }
        return Vec::new();
    }
    let wanted = match listen::parse(text) {
        Ok(wanted) => wanted,
        Err(error) => {
            diagnostics.problem("nginx.listen", error.to_string(), listen::ADDRESS_HINT);
            return Vec::new();
        }
    };
    let is_wanted = |listener: &&Listener| {
        wanted.iter().any(|address| match (address, *listener) {
            (
                listen::Address::Tcp { addr, tls: false },
                Listener::Tcp { addr: bound, tls: false, .. },
            ) => addr == bound,
            (listen::Address::Unix(path), Listener::Unix { path: bound, .. }) => path == bound,
            _ => false,
        })
    };
    let marked: Vec<Listener> = listeners.iter().filter(is_wanted).cloned().collect();
    if marked.is_empty() {
        diagnostics.problem(
            "nginx.listen",
            format!("`{text}` is not one of `listen`, or it speaks TLS"),
            "",
        );
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::super::tests::{load_with, refusal};
    use super::*;

    const CACHE: &str = "listen = [\"127.0.0.1:5000\", \"unix:/run/n.sock\"]\n[nar_cache]\ncompression = \"zstd\"\n[nginx]\n";

    #[test]
    fn one_listener_is_marked() {
        let text = format!("{CACHE}listen = \"unix:///run/n.sock\"\nlocation = \"/nar-cache/\"\n");
        let nginx = load_with(&text, &[], &[]).unwrap().server.nginx.unwrap();
        assert_eq!(nginx.prefix.as_deref(), Some("/nar-cache/"));
        assert!(
            matches!(&nginx.listeners[..], [Listener::Unix { path, .. }] if path.ends_with("n.sock")),
            "{nginx:?}"
        );
        assert_eq!(load_with(CACHE, &[], &[]).unwrap().server.nginx, None);
    }

    #[test]
    fn nginx_need_not_send_files_to_be_believed() {
        let text = "listen = [\"unix:/run/n.sock\"]\n[nginx]\nlisten = \"unix:/run/n.sock\"\n";
        let nginx = load_with(text, &[], &[]).unwrap().server.nginx.unwrap();
        assert_eq!((nginx.listeners.len(), nginx.prefix), (1, None));
    }

    #[test]
    fn a_socket_of_systemd_needs_only_its_name() {
        let text = format!("{CACHE}location = \"/nar-cache/\"\n");
        let nginx =
            load_with(&text, &[("LISTEN_FDNAMES", "http:nginx")], &[]).unwrap().server.nginx;
        assert_eq!(nginx.unwrap().listeners, []);
    }

    #[test]
    fn subjects_need_a_unix_socket_or_a_ca() {
        let text = |listen: &str, rest: &str, tls: &str| {
            format!(
                "listen = [{listen:?}, \"tls://127.0.0.1:5001\"]\n[nginx]\nlisten = {listen:?}\n\
                 [expose]\neverything = true\n{rest}\n\
                 [tls]\ncertificate = \"/c\"\nkey = \"/k\"\n{tls}\n"
            )
        };
        let (tcp, unix) = ("127.0.0.1:5000", "unix:/run/n.sock");
        let rules = "subjects = [\"read: CN=ci\"]";
        for rest in [
            format!("[access]\nanonymous = []\n{rules}"),
            format!("[cache.team]\npath = \"/team\"\nexpose.everything = true\naccess.{rules}"),
        ] {
            let said = refusal(&text(tcp, &rest, ""));
            assert!(said.contains("nginx.listen") && said.contains("unix socket"), "{said}");
            load_with(&text(unix, &rest, ""), &[], &[]).unwrap();
            load_with(&text(tcp, &rest, "client_ca = \"/ca\""), &[], &[]).unwrap();
        }
        load_with(&text(tcp, "", ""), &[], &[]).unwrap();
    }

    #[test]
    fn nonsense_is_refused() {
        for (text, complaint) in [
            ("location = \"/nar-cache/\"", "no listener belongs to nginx"),
            ("listen = \"unix:/run/other.sock\"\nlocation = \"/n/\"", "is not one of `listen`"),
            ("listen = \"unix:/run/n.sock\"\nlocation = \"nars\"", "not the prefix of a location"),
            ("listen = \"nowhere\"\nlocation = \"/n/\"", "not an address to listen on"),
        ] {
            let said = refusal(&format!("{CACHE}{text}\n"));
            assert!(said.contains(complaint), "{said}");
        }
        let said = refusal("listen = [\"*:80\"]\n[nginx]\nlisten = \"*:80\"\nlocation = \"/n/\"\n");
        assert!(said.contains("no NAR cache"), "{said}");
    }
}

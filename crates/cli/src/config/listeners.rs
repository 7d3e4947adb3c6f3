//! Where clients are awaited, and where those who watch the service.

use std::net::SocketAddr;

use rns_server::config::Listener;

use super::{
    diagnostics::Diagnostics,
    listen::{self, Address},
    raw::RawConfig,
};

/// Those of `listen`.
pub(super) fn clients(raw: &RawConfig, diagnostics: &mut Diagnostics<'_>) -> Vec<Listener> {
    let addresses = addresses("listen", &raw.listen, diagnostics);
    if raw.listen.is_empty() {
        diagnostics.problem("listen", "there is no address to listen on", listen::ADDRESS_HINT);
    }
    let speaks_tls =
        addresses.iter().any(|address| matches!(address, Address::Tcp { tls: true, .. }));
    let has_certificate = !raw.tls.certificate.is_empty();
    if speaks_tls && !has_certificate {
        diagnostics.problem(
            "tls.certificate",
            "an address in `listen` speaks TLS, but there is no certificate",
            "",
        );
    }
    // The server speaks TLS on a passed socket with this name.
    if has_certificate && !speaks_tls && !diagnostics.may_get_socket("tls") {
        let hint = "write tls:// before the addresses in `listen` that are to speak TLS";
        diagnostics.problem("tls.certificate", "no address in `listen` speaks TLS", hint);
    }
    let mode = unix_mode(&raw.unix.mode, diagnostics);
    sockets(&addresses, mode)
}

/// Those of `metrics.listen`.
pub(super) fn metrics(
    raw: &RawConfig,
    clients: &[Listener],
    diagnostics: &mut Diagnostics<'_>,
) -> Vec<Listener> {
    const KEY: &str = "metrics.listen";
    let addresses = addresses(KEY, &raw.metrics.listen, diagnostics);
    if addresses.iter().any(|address| matches!(address, Address::Tcp { tls: true, .. })) {
        diagnostics.problem(KEY, "TLS is not spoken here", "write the address without tls://");
    }
    // Its mode is judged where the sockets of `listen` are.
    let listeners = sockets(&addresses, u32::from_str_radix(&raw.unix.mode, 8).unwrap_or(0o660));
    for (address, listener) in addresses.iter().zip(&listeners) {
        if clients.iter().any(|other| is_same_place(other, listener)) {
            diagnostics.problem(KEY, format!("{address} is in `listen` as well"), "");
        }
    }
    listeners
}

fn is_same_place(one: &Listener, other: &Listener) -> bool {
    match (one, other) {
        (Listener::Tcp { addr, .. }, Listener::Tcp { addr: other, .. }) => {
            addr == other && addr.port() != 0
        }
        (Listener::Unix { path, .. }, Listener::Unix { path: other, .. }) => path == other,
        _ => false,
    }
}

fn addresses(key: &str, entries: &[String], diagnostics: &mut Diagnostics<'_>) -> Vec<Address> {
    let mut addresses = Vec::new();
    for entry in entries {
        match listen::parse(entry) {
            Ok(found) => addresses.extend(found),
            Err(error) => diagnostics.problem(key, error.to_string(), listen::ADDRESS_HINT),
        }
    }
    for (index, address) in addresses.iter().enumerate() {
        let port_zero = matches!(address, Address::Tcp { addr, .. } if addr.port() == 0);
        if !port_zero && addresses.iter().skip(index + 1).any(|other| other == address) {
            diagnostics.problem(key, format!("{address} is there twice"), "");
        }
    }
    addresses
}

fn sockets(addresses: &[Address], mode: u32) -> Vec<Listener> {
    // A machine without IPv6 is served on its IPv4 twin all the same.
    let optional = |addr: SocketAddr| {
        let twin = listen::twin(addr);
        addresses
            .iter()
            .any(|address| matches!(address, Address::Tcp { addr, .. } if Some(*addr) == twin))
    };
    let listener = |address: &Address| match address {
        Address::Tcp { addr, tls } => {
            Listener::Tcp { addr: *addr, tls: *tls, optional: optional(*addr) }
        }
        Address::Unix(path) => Listener::Unix { path: path.clone(), mode },
    };
    addresses.iter().map(listener).collect()
}

fn unix_mode(text: &str, diagnostics: &mut Diagnostics<'_>) -> u32 {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 && mode & 0o600 == 0o600 => mode,
        Ok(mode) if mode <= 0o777 => {
            diagnostics.problem(
                "unix.mode",
                format!("mode {text} locks out the owner"),
                "expected \"0660\" or similar",
            );
            0o660
        }
        _ => {
            diagnostics.problem(
                "unix.mode",
                format!("`{text}` is not a mode in octal"),
                "expected \"0660\" or similar",
            );
            0o660
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{load_with, refusal};
    use super::*;

    #[test]
    fn those_who_watch_have_listeners_of_their_own() {
        let text = "[unix]\nmode = \"0600\"\n[metrics]\nlisten = [\"localhost:9100\", \"unix:/run/m.sock\"]\n";
        let server = load_with(text, &[], &[]).unwrap().server;
        assert_eq!(
            server.metrics_listeners,
            [
                Listener::Tcp {
                    addr: "127.0.0.1:9100".parse().unwrap(),
                    tls: false,
                    optional: false
                },
                Listener::Tcp { addr: "[::1]:9100".parse().unwrap(), tls: false, optional: true },
                Listener::Unix { path: "/run/m.sock".into(), mode: 0o600 },
            ]
        );
        assert_eq!(load_with("", &[], &[]).unwrap().server.metrics_listeners, []);
    }

    #[test]
    fn a_place_is_for_clients_or_for_those_who_watch() {
        for (listen, complaint) in [
            ("[::1]:5000", "[::1]:5000 is in `listen` as well"),
            ("tls://*:1", "TLS is not spoken here"),
            ("nowhere", "metrics.listen ("),
        ] {
            let said = refusal(&format!("[metrics]\nlisten = [\"{listen}\"]\n"));
            assert!(said.contains(complaint), "{said}");
        }
    }
}

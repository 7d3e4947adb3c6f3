//! Session tickets, for as long as clients show no certificates.

use std::sync::Arc;

use rustls::{crypto::ring, server::ProducesTickets};

use super::client_ca::ClientCa;

/// A session that is resumed has the client certificate of the one before, unchecked. While certificates of clients
/// count, each connection therefore begins anew, and shows its own.
#[derive(Debug)]
pub(super) struct Tickets {
    inner: Arc<dyn ProducesTickets>,
    client_ca: ClientCa,
}

impl Tickets {
    pub(super) fn new(client_ca: ClientCa) -> Result<Self, rustls::Error> {
        Ok(Self { inner: ring::Ticketer::new()?, client_ca })
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.inner.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        (!self.client_ca.is_there()).then(|| self.inner.encrypt(plain)).flatten()
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        (!self.client_ca.is_there()).then(|| self.inner.decrypt(cipher)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::tls::client_ca::tests::ca;

    #[test]
    fn no_session_outlives_the_arrival_of_a_client_ca() {
        let client_ca = ClientCa::new(None);
        let tickets = Tickets::new(client_ca.clone()).unwrap();
        let ticket = tickets.encrypt(b"session").unwrap();
        assert_eq!(tickets.decrypt(&ticket).as_deref(), Some(&b"session"[..]));

        client_ca.exchange(Some(ca()));
        assert_eq!(tickets.decrypt(&ticket), None);
        assert_eq!(tickets.encrypt(b"session"), None);
    }
}

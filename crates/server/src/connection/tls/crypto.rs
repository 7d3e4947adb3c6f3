//! The cryptography of TLS.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};

/// The cryptography of everything that speaks TLS here.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

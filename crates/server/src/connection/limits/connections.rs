//! How many connections one address may have open.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    num::NonZeroU64,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{config::FailurePolicyConfig, connection::client_network::client_network};

/// The open connections of each address. An address without any has no entry.
#[derive(Clone, Debug)]
pub(crate) struct PerAddress {
    most: u64,
    failure_policy: FailurePolicyConfig,
    open: Arc<Mutex<HashMap<IpAddr, u64>>>,
}

/// A connection that is open. It counts until this is dropped.
#[derive(Debug)]
pub(crate) struct OpenHere {
    address: IpAddr,
    open: Arc<Mutex<HashMap<IpAddr, u64>>>,
}

/// An address has as many connections as it may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooManyConnections;

impl PerAddress {
    pub(crate) fn new(most: NonZeroU64, failure_policy: FailurePolicyConfig) -> Self {
        Self { most: most.get(), failure_policy, open: Arc::default() }
    }

    /// Counts a connection, unless it is that of a proxy, from an address that is trusted: it has those of many clients.
    ///
    /// # Errors
    /// When it is one too many. A client whose connection breaks before an answer tries again.
    pub(crate) fn count(&self, peer: SocketAddr) -> Result<Option<OpenHere>, TooManyConnections> {
        if self.failure_policy.trusts(peer.ip()) {
            return Ok(None);
        }
        let address = client_network(peer.ip().to_canonical());
        let mut open = lock(&self.open);
        let count = open.entry(address).or_default();
        if *count >= self.most {
            tracing::debug!(%address, "closed: it has {} connections open already", self.most);
            return Err(TooManyConnections);
        }
        *count += 1;
        Ok(Some(OpenHere { address, open: Arc::clone(&self.open) }))
    }
}

impl Drop for OpenHere {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

fn lock(open: &Mutex<HashMap<IpAddr, u64>>) -> MutexGuard<'_, HashMap<IpAddr, u64>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

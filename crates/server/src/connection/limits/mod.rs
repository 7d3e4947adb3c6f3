//! Limits of one address, and of one token. Nothing is limited unless that is configured.
//!
//! Clients remember refusals for a long time, so a request waits for its turn rather than being refused, and an answer is sent
//! more slowly rather than not at all.

mod account;
pub(crate) mod config;
mod connections;
mod rate;

use std::{net::IpAddr, sync::Arc};

use actix_web::http::header::HeaderValue;
use quick_cache::sync::Cache;
use tokio::sync::OwnedSemaphorePermit;

pub(crate) use self::{
    account::{Account, TooMuch},
    connections::{OpenHere, PerAddress},
};
use crate::{
    auth::PrincipalId,
    config::{ClientLimits, Limits},
    connection::{client_network::client_network, via_nginx},
    response::Answer,
};

type Accounts<K> = Cache<K, Arc<Account>>;

/// The accounts of all clients. An unused account goes when there are too many of them.
pub(crate) struct Limiter {
    addresses: Option<(ClientLimits, Accounts<IpAddr>)>,
    tokens: Option<(ClientLimits, Accounts<PrincipalId>)>,
}

/// A request that may be answered: it lasts as long as its answer.
#[derive(Default)]
pub(crate) struct Admission {
    accounts: Vec<Arc<Account>>,
    permits: Vec<OwnedSemaphorePermit>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        // A client with a connection has an account; there is room for some that were here just now.
        let most = limits.connections.saturating_mul(2).clamp(1024, 1 << 20);
        Self {
            addresses: limits.per_address.is_any().then(|| (limits.per_address, Cache::new(most))),
            tokens: limits.per_token.is_any().then(|| (limits.per_token, Cache::new(most))),
        }
    }

    /// Whether a request may have to wait.
    pub(crate) const fn is_any(&self) -> bool {
        self.addresses.is_some() || self.tokens.is_some()
    }

    /// Waits until a request from this address may be answered.
    pub(crate) async fn admit_address(
        &self,
        address: impl FnOnce() -> Option<IpAddr>,
    ) -> Result<Admission, TooMuch> {
        let mut admission = Admission::default();
        if let Some((limits, accounts)) = &self.addresses
            && let Some(address) = address()
        {
            let account = account(accounts, &client_network(address), limits);
            admission.join(account).await?;
        }
        Ok(admission)
    }

    /// The same for the holder of a token, in addition.
    pub(crate) async fn admit_holder(
        &self,
        admission: &mut Admission,
        holder: &PrincipalId,
    ) -> Result<(), TooMuch> {
        match &self.tokens {
            None => Ok(()),
            Some((limits, accounts)) => admission.join(account(accounts, holder, limits)).await,
        }
    }
}

impl Admission {
    async fn join(&mut self, account: Arc<Account>) -> Result<(), TooMuch> {
        self.permits.extend(account.admit().await?);
        self.accounts.push(account);
        Ok(())
    }

    /// Ties an answer to this: its bytes are counted, and when they are sent the next request may be answered.
    pub(crate) fn tie(self, answer: Answer, limits: &Limits) -> Answer {
        if self.accounts.is_empty() {
            return answer;
        }
        let mut answer = answer;
        // Nginx sends its files at that pace.
        if answer.headers().contains_key(via_nginx::ACCEL_REDIRECT) {
            if let Some(rate) = limits.bandwidth_of_one()
                && let Ok(rate) = HeaderValue::try_from(rate.to_string())
            {
                answer.headers_mut().insert(via_nginx::LIMIT_RATE, rate);
            }
            return answer;
        }
        answer.map_body(|_, body| body.throttled(self.accounts, self.permits))
    }
}

fn account<K: std::hash::Hash + Eq + Clone>(
    accounts: &Accounts<K>,
    key: &K,
    limits: &ClientLimits,
) -> Arc<Account> {
    let made = accounts.get_or_insert_with(key, || {
        Ok::<_, std::convert::Infallible>(Arc::new(Account::new(limits)))
    });
    match made {
        Ok(account) => account,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    #[tokio::test]
    async fn holders_of_the_same_name_in_two_caches_have_two_accounts() {
        let per_token =
            ClientLimits { requests_per_second: NonZeroU64::new(1000), ..ClientLimits::default() };
        let limiter = Limiter::new(&Limits { per_token, ..Limits::default() });
        let mut admission = Admission::default();
        for cache in [None, Some("team"), Some("other"), Some("team")] {
            let holder = PrincipalId { cache: cache.map(Arc::from), name: "token ci".into() };
            assert!(limiter.admit_holder(&mut admission, &holder).await.is_ok());
        }
        let [default, team, other, again] = &admission.accounts[..] else {
            panic!("four accounts")
        };
        assert!(Arc::ptr_eq(team, again) && !Arc::ptr_eq(team, other));
        assert!(!Arc::ptr_eq(team, default));
    }
}

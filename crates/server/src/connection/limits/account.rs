//! The account of one client.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::rate::Rate;
use crate::config::ClientLimits;

/// How long a request waits for its turn before it is sent away: as long as a client that is told to come back would.
const ADMISSION_TIMEOUT: Duration = Duration::from_secs(60);

/// The account of an address or of a token.
#[derive(Debug)]
pub(crate) struct Account {
    requests: Option<Rate>,
    bytes: Option<Rate>,
    at_once: Option<Arc<Semaphore>>,
}

/// There is no turn for a request within a minute.
pub(crate) struct TooMuch;

impl Account {
    pub(crate) fn new(limits: &ClientLimits) -> Self {
        let at_once = limits.requests_at_once.map(|most| {
            Arc::new(Semaphore::new(
                usize::try_from(most.get())
                    .map_or(Semaphore::MAX_PERMITS, |most| most.min(Semaphore::MAX_PERMITS)),
            ))
        });
        let rate = |most: Option<NonZeroU64>| most.map(|most| Rate::new(most.get()));
        Self { requests: rate(limits.requests_per_second), bytes: rate(limits.bandwidth), at_once }
    }

    /// Waits until a request may be answered. It counts until the permit is dropped.
    pub(crate) async fn admit(&self) -> Result<Option<OwnedSemaphorePermit>, TooMuch> {
        if let Some(rate) = &self.requests {
            let wait = rate.take(1, ADMISSION_TIMEOUT).ok_or(TooMuch)?;
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
        }
        match &self.at_once {
            None => Ok(None),
            Some(turns) => {
                let turn =
                    tokio::time::timeout(ADMISSION_TIMEOUT, Arc::clone(turns).acquire_owned())
                        .await;
                turn.map_err(|_| TooMuch)?.map(Some).map_err(|_| TooMuch)
            }
        }
    }

    /// How long to wait before so many bytes are sent.
    pub(crate) fn pace(&self, bytes: usize) -> Duration {
        let wait = self.bytes.as_ref().and_then(|rate| rate.take(bytes as u64, Duration::MAX));
        wait.unwrap_or_default()
    }

    /// Whether bytes are counted.
    pub(crate) const fn is_paced(&self) -> bool {
        self.bytes.is_some()
    }
}

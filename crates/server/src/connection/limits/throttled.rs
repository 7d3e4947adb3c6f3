//! A body that is sent no faster than its client may take it.

use std::{
    future::Future as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep},
};

use super::account::Account;
use crate::response::{
    body::{Aborted, Body},
    send_budget::Share,
};

/// A body with the turn that it belongs to.
pub(crate) struct Throttled {
    body: Body,
    accounts: Vec<Arc<Account>>,
    /// What is to be sent when the time has come.
    held: Option<(Pin<Box<Sleep>>, Bytes)>,
    /// The turn is over when the body is.
    _permits: Vec<OwnedSemaphorePermit>,
}

impl Throttled {
    pub(crate) fn new(
        body: Body,
        accounts: Vec<Arc<Account>>,
        permits: Vec<OwnedSemaphorePermit>,
    ) -> Self {
        let accounts = accounts.into_iter().filter(|account| account.is_paced()).collect();
        Self { body, accounts, held: None, _permits: permits }
    }

    pub(crate) const fn body(&self) -> &Body {
        &self.body
    }

    pub(crate) fn with_share(self, share: Share) -> Self {
        Self { body: self.body.with_share(share), ..self }
    }

    pub(crate) fn size(&self) -> BodySize {
        self.body.size()
    }

    pub(crate) fn uncounted(&self) -> usize {
        self.body.uncounted()
    }

    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Aborted>>> {
        loop {
            if let Some((sleep, _)) = &mut self.held {
                ready!(sleep.as_mut().poll(cx));
            }
            if let Some((_, bytes)) = self.held.take() {
                return Poll::Ready(Some(Ok(bytes)));
            }
            let next = ready!(Pin::new(&mut self.body).poll_next(cx));
            let Some(Ok(bytes)) = next else { return Poll::Ready(next) };
            let waits = self.accounts.iter().map(|account| account.pace(bytes.len()));
            match waits.max().unwrap_or_default() {
                Duration::ZERO => return Poll::Ready(Some(Ok(bytes))),
                wait => self.held = Some((Box::pin(sleep(wait)), bytes)),
            }
        }
    }
}

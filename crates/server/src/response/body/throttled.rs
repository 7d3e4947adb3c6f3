//! A body that is sent no faster than its client may take it.

use std::{
    future::Future as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::body::MessageBody;
use bytes::Bytes;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep},
};

use super::download::Aborted;
use crate::connection::limits::Account;

/// A body with the accounts that its bytes are counted on.
pub(crate) struct Throttled<B> {
    body: B,
    accounts: Vec<Arc<Account>>,
    /// Bytes to be sent when the time has come.
    held: Option<(Pin<Box<Sleep>>, Bytes)>,
    /// Other requests of the client may be answered when the body is sent.
    _permits: Vec<OwnedSemaphorePermit>,
}

impl<B: MessageBody<Error = Aborted> + Unpin> Throttled<B> {
    pub(crate) fn new(
        body: B,
        accounts: Vec<Arc<Account>>,
        permits: Vec<OwnedSemaphorePermit>,
    ) -> Self {
        let accounts = accounts.into_iter().filter(|account| account.is_paced()).collect();
        Self { body, accounts, held: None, _permits: permits }
    }

    pub(crate) const fn body(&self) -> &B {
        &self.body
    }

    pub(crate) fn map(self, change: impl FnOnce(B) -> B) -> Self {
        Self { body: change(self.body), ..self }
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

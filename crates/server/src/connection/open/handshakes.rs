//! TLS handshakes: many at once, each with little time, and none in the way of another connection.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_web::rt::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{Activity, Watched};

/// Handshakes that go on at the same time. One more ends the one that has gone on for longest.
const MAX_HANDSHAKES: usize = 1024;

/// Most time for a handshake: a few packets in each direction.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes handshakes. Clones share the number of those that go on.
#[derive(Clone)]
pub(crate) struct Handshakes {
    going_on: Arc<Mutex<GoingOn>>,
    time: Duration,
}

#[derive(Default)]
struct GoingOn {
    last: u64,
    by_age: BTreeMap<u64, Arc<Activity>>,
}

/// A handshake that goes on until this is dropped.
struct Handshake<'a> {
    all: &'a Handshakes,
    number: u64,
}

impl Handshakes {
    pub(crate) fn new(header_timeout: Duration) -> Self {
        Self { going_on: Arc::default(), time: HANDSHAKE_TIMEOUT.min(header_timeout) }
    }

    fn going_on(&self) -> MutexGuard<'_, GoingOn> {
        self.going_on.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, activity: &Arc<Activity>) -> Handshake<'_> {
        let mut going_on = self.going_on();
        going_on.last += 1;
        let number = going_on.last;
        going_on.by_age.insert(number, Arc::clone(activity));
        if going_on.by_age.len() > MAX_HANDSHAKES
            && let Some((_, oldest)) = going_on.by_age.pop_first()
        {
            oldest.close();
        }
        Handshake { all: self, number }
    }

    /// Makes the handshake of a connection.
    ///
    /// # Errors
    /// Failures of the client, or its delay.
    pub(crate) async fn accept(
        &self,
        acceptor: &TlsAcceptor,
        socket: Watched<TcpStream>,
    ) -> io::Result<TlsStream<Watched<TcpStream>>> {
        let handshake = self.begin(&socket.of().activity);
        let made = timeout(self.time, async {
            // A silent client takes no memory for a handshake.
            socket.socket().readable().await?;
            acceptor.accept(socket).await
        });
        let made = made.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        drop(handshake);
        made
    }
}

impl Drop for Handshake<'_> {
    fn drop(&mut self) {
        self.all.going_on().by_age.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_handshake_too_many_ends_the_oldest() {
        let handshakes = Handshakes::new(Duration::from_secs(1));
        let activities: Vec<_> = (0..=MAX_HANDSHAKES).map(|_| Arc::new(Activity::new())).collect();
        let (last, others) = activities.split_last().unwrap();
        let going_on: Vec<_> = others.iter().map(|activity| handshakes.begin(activity)).collect();
        let is_closed = async |activity: &Activity| {
            activity.until_closed(std::future::ready(())).await.is_none()
        };
        assert!(!is_closed(&activities[0]).await);
        let one_more = handshakes.begin(last);
        assert!(is_closed(&activities[0]).await && !is_closed(&activities[1]).await);
        drop((going_on, one_more));
        assert!(handshakes.going_on().by_age.is_empty());
    }
}

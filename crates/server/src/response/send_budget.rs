//! The bound of all bodies on their way to clients at the same time: their number, and the memory that they take.
//!
//! Waiting requests are served client by client, so that one with a thousand requests does not keep out another with one.
//! While there are any, clients that take nothing of their answers are sent away ([`Pressure`]).

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

/// Memory of a download: the chunk that is being sent, and the next one.
pub(crate) const DOWNLOAD_BYTES: u64 = 512 << 10;

/// How long a request waits before the server counts as full.
const FULL_TIMEOUT: Duration = Duration::from_secs(5);

/// A client, as far as one is told from another.
pub(crate) type Client = Option<IpAddr>;

/// The budget. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct SendBudget(Arc<SharedBudget>);

#[derive(Debug)]
struct SharedBudget {
    downloads: usize,
    bytes: u64,
    state: Mutex<BudgetState>,
    pressure: Pressure,
}

#[derive(Debug)]
struct BudgetState {
    free_downloads: usize,
    free_bytes: u64,
    /// Clients with waiting requests, in the order of their turns.
    turns: VecDeque<Client>,
    waiting: HashMap<Client, VecDeque<WaitingShare>>,
}

#[derive(Debug)]
struct WaitingShare {
    amount: SendAmount,
    since: Instant,
    grant: oneshot::Sender<SendShare>,
}

/// An amount that is wanted or held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SendAmount {
    downloads: usize,
    bytes: u64,
}

/// A share of the budget, held until it is dropped.
#[derive(Debug)]
pub(crate) struct SendShare {
    budget: SendBudget,
    amount: SendAmount,
}

/// How many clients that take nothing are to be sent away.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pressure(Arc<AtomicUsize>);

impl Pressure {
    /// Takes one off the number of those to be sent away; whether there was one.
    pub(crate) fn take(&self) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |wanted| wanted.checked_sub(1)).is_ok()
    }
}

/// A request waits, until this is dropped.
struct Pressing<'a>(&'a Pressure);

impl<'a> Pressing<'a> {
    fn new(pressure: &'a Pressure) -> Self {
        pressure.0.fetch_add(1, Relaxed);
        Self(pressure)
    }
}

impl Drop for Pressing<'_> {
    fn drop(&mut self) {
        // Where a client was sent away for this one, it is down already.
        self.0.take();
    }
}

impl SendBudget {
    pub(crate) fn new(downloads: usize, bytes: u64) -> Self {
        let state = BudgetState {
            free_downloads: downloads,
            free_bytes: bytes,
            turns: VecDeque::new(),
            waiting: HashMap::new(),
        };
        let (state, pressure) = (Mutex::new(state), Pressure::default());
        Self(Arc::new(SharedBudget { downloads, bytes, state, pressure }))
    }

    fn state(&self) -> MutexGuard<'_, BudgetState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who takes nothing is to leave while this says so.
    pub(crate) fn pressure(&self) -> &Pressure {
        &self.0.pressure
    }

    /// Waits until a body of so many bytes may be sent that is read as it is sent.
    pub(crate) async fn download(&self, client: Client, length: u64) -> SendShare {
        self.share(client, SendAmount { downloads: 1, bytes: length.min(DOWNLOAD_BYTES) }).await
    }

    /// Waits until so many bytes that are in memory may be sent.
    pub(crate) async fn bytes(&self, client: Client, length: u64) -> SendShare {
        self.share(client, SendAmount { downloads: 0, bytes: length }).await
    }

    /// A download of something in a file or in memory that is kept there anyway, if no request waits.
    pub(crate) fn try_download(&self) -> Option<SendShare> {
        let amount = SendAmount { downloads: 1, bytes: 0 };
        let granted = {
            let mut state = self.state();
            state.turns.is_empty() && state.take(amount)
        };
        granted.then(|| SendShare { budget: self.clone(), amount })
    }

    async fn share(&self, client: Client, amount: SendAmount) -> SendShare {
        // A body that is larger than the budget gets all of it.
        let amount = SendAmount { bytes: amount.bytes.min(self.0.bytes), ..amount };
        let granted = {
            let mut state = self.state();
            if state.turns.is_empty() && state.take(amount) {
                return SendShare { budget: self.clone(), amount };
            }
            let (grant, granted) = oneshot::channel();
            state.wait(client, WaitingShare { amount, since: Instant::now(), grant });
            granted
        };
        let _pressing = Pressing::new(&self.0.pressure);
        match granted.await {
            Ok(share) => share,
            // The senders of waiting requests are never dropped.
            Err(_) => std::future::pending().await,
        }
    }

    /// Grants shares as far as there is room.
    fn grant(&self) {
        let mut state = self.state();
        let mut unwanted = Vec::new();
        while let Some(client) = state.turns.front().copied() {
            let Some(amount) = state.first_of(client) else {
                state.turns.pop_front();
                continue;
            };
            if !state.take(amount) {
                break;
            }
            state.turns.rotate_left(1);
            if let Some(waiting) = state.waiting.get_mut(&client).and_then(VecDeque::pop_front) {
                let share = SendShare { budget: self.clone(), amount };
                // Who has left gives it back, but not while this is locked.
                unwanted.extend(waiting.grant.send(share).err());
            }
        }
        drop(state);
        drop(unwanted);
    }

    /// Downloads that go on.
    pub(crate) fn downloads(&self) -> usize {
        self.0.downloads - self.state().free_downloads
    }

    /// Bytes that are held.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.0.bytes - self.state().free_bytes
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        let state = self.state();
        let live = |queue: &VecDeque<WaitingShare>| {
            queue.iter().filter(|waiting| !waiting.grant.is_closed()).count()
        };
        state.waiting.values().map(live).sum()
    }

    /// Whether a request has waited for long.
    pub(crate) fn is_full(&self) -> bool {
        let state = self.state();
        let mut all = state.waiting.values().flatten();
        all.any(|waiting| !waiting.grant.is_closed() && waiting.since.elapsed() >= FULL_TIMEOUT)
    }
}

impl BudgetState {
    fn take(&mut self, amount: SendAmount) -> bool {
        if self.free_downloads < amount.downloads || self.free_bytes < amount.bytes {
            return false;
        }
        self.free_downloads -= amount.downloads;
        self.free_bytes -= amount.bytes;
        true
    }

    fn wait(&mut self, client: Client, waiting: WaitingShare) {
        let queue = self.waiting.entry(client).or_default();
        if queue.is_empty() && !self.turns.contains(&client) {
            self.turns.push_back(client);
        }
        queue.push_back(waiting);
    }

    /// The wait of the first of a client's requests that has not left; without one the client is forgotten.
    fn first_of(&mut self, client: Client) -> Option<SendAmount> {
        let queue = self.waiting.get_mut(&client)?;
        while queue.front().is_some_and(|waiting| waiting.grant.is_closed()) {
            queue.pop_front();
        }
        let first = queue.front().map(|waiting| waiting.amount);
        if first.is_none() {
            self.waiting.remove(&client);
        }
        first
    }
}

impl Drop for SendShare {
    fn drop(&mut self) {
        {
            let mut state = self.budget.state();
            state.free_downloads += self.amount.downloads;
            state.free_bytes += self.amount.bytes;
            if state.turns.is_empty() {
                return;
            }
        }
        self.budget.grant();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::{Pin, pin},
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn client(last: u8) -> Client {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    fn poll(future: Pin<&mut impl Future<Output = SendShare>>) -> Option<SendShare> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(share) => Some(share),
            Poll::Pending => None,
        }
    }

    #[test]
    fn one_who_wants_much_does_not_keep_out_one_who_wants_little() {
        let budget = SendBudget::new(1, 1 << 20);
        let held = poll(pin!(budget.download(client(1), 1))).unwrap();
        let mut greedy: Vec<_> = (0..9).map(|_| Box::pin(budget.download(client(1), 1))).collect();
        assert!(greedy.iter_mut().all(|one| poll(one.as_mut()).is_none()));
        let mut modest = pin!(budget.download(client(2), 1));
        assert!(poll(modest.as_mut()).is_none());
        assert_eq!((budget.downloads(), budget.waiting()), (1, 10));
        drop(held);
        let first = poll(greedy[0].as_mut()).unwrap();
        assert!(poll(modest.as_mut()).is_none());
        drop(first);
        assert!(poll(greedy[1].as_mut()).is_none());
        let second = poll(modest.as_mut()).unwrap();
        drop(second);
        assert!(poll(greedy[1].as_mut()).is_some());
    }

    #[test]
    fn bytes_are_counted_whatever_they_are_for() {
        let budget = SendBudget::new(100, 1 << 20);
        let first = poll(pin!(budget.download(client(1), 1 << 30))).unwrap();
        assert_eq!(budget.held_bytes(), DOWNLOAD_BYTES);
        let second = poll(pin!(budget.bytes(client(1), 500 << 10))).unwrap();
        let mut third = pin!(budget.bytes(client(1), 100 << 10));
        assert!(poll(third.as_mut()).is_none());
        drop(first);
        assert!(poll(third.as_mut()).is_some());
        drop(second);
        assert_eq!((budget.held_bytes(), budget.waiting(), budget.downloads()), (0, 0, 0));
        // A body that is larger than the budget gets all of it.
        assert!(poll(pin!(budget.bytes(client(1), 1 << 40))).is_some());
    }

    #[test]
    fn those_who_left_are_not_waited_for() {
        let budget = SendBudget::new(1, 1 << 20);
        let held = poll(pin!(budget.download(None, 1))).unwrap();
        {
            let mut left = pin!(budget.download(client(1), 1));
            assert!(poll(left.as_mut()).is_none());
            assert_eq!(budget.waiting(), 1);
        }
        let mut other = pin!(budget.download(client(2), 1));
        assert!(poll(other.as_mut()).is_none());
        assert_eq!(budget.waiting(), 1);
        drop(held);
        drop(poll(other.as_mut()).unwrap());
        assert!(budget.try_download().is_some());
    }

    #[test]
    fn as_many_are_sent_away_as_wait() {
        let budget = SendBudget::new(1, 1 << 20);
        let held = poll(pin!(budget.download(None, 1))).unwrap();
        assert!(!budget.pressure().take());
        let mut waiting = Box::pin(budget.download(client(1), 1));
        assert!(poll(waiting.as_mut()).is_none());
        assert!(budget.pressure().take() && !budget.pressure().take());
        drop(waiting);
        let mut waiting = Box::pin(budget.download(client(1), 1));
        assert!(poll(waiting.as_mut()).is_none());
        drop(waiting);
        assert!(!budget.pressure().take(), "nobody waits any more");
        drop(held);
    }
}

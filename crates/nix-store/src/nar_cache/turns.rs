//! Places for work of which only so much runs at once. Those who wait get their turns client by client: one with thousands of
//! requests does not keep out another with one. Who has left is passed over.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rns_cache::{Asker, asker};
use tokio::sync::oneshot;

/// The places. Clones share them.
#[derive(Clone)]
pub(super) struct Turns(Arc<Mutex<Queue>>);

struct Queue {
    free: u32,
    /// Clients with waiting requests, in the order of their turns.
    clients: VecDeque<Asker>,
    waiting: HashMap<Asker, VecDeque<Waiting>>,
}

struct Waiting {
    needed: u32,
    grant: oneshot::Sender<Place>,
}

/// A place, or several, until it is dropped.
pub(super) struct Place {
    turns: Turns,
    taken: u32,
}

impl Turns {
    pub(super) fn new(places: u32) -> Self {
        let queue = Queue { free: places, clients: VecDeque::new(), waiting: HashMap::new() };
        Self(Arc::new(Mutex::new(queue)))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for so many places, of which there are enough when all others have been given back.
    pub(super) async fn place(&self, needed: u32) -> Place {
        let granted = {
            let mut queue = self.queue();
            if queue.clients.is_empty() && queue.free >= needed {
                queue.free -= needed;
                return Place { turns: self.clone(), taken: needed };
            }
            let (grant, granted) = oneshot::channel();
            queue.enter(asker(), Waiting { needed, grant });
            granted
        };
        // Those who have left may have stood in front of it.
        self.grant();
        match granted.await {
            Ok(place) => place,
            // The queue is gone together with all who could wait in it.
            Err(_) => Place { turns: self.clone(), taken: 0 },
        }
    }

    /// Whether a request waits.
    pub(super) fn has_waiting(&self) -> bool {
        self.queue().has_waiting()
    }

    /// Gives free places to those whose turn it is.
    fn grant(&self) {
        let mut granted = Vec::new();
        let mut queue = self.queue();
        while let Some(waiting) = queue.next() {
            queue.free -= waiting.needed;
            let place = Place { turns: self.clone(), taken: waiting.needed };
            granted.push((waiting.grant, place));
        }
        drop(queue);
        for (grant, place) in granted {
            // Of one who left just now it comes back, and goes to the next.
            drop(grant.send(place));
        }
    }
}

impl Queue {
    fn enter(&mut self, client: Asker, waiting: Waiting) {
        let others = self.waiting.entry(client).or_default();
        if others.is_empty() {
            self.clients.push_back(client);
        }
        others.push_back(waiting);
    }

    fn has_waiting(&self) -> bool {
        self.waiting.values().flatten().any(|waiting| !waiting.grant.is_closed())
    }

    /// The one whose turn it is, if there is room. Its client goes to the end of the line.
    fn next(&mut self) -> Option<Waiting> {
        while let Some(client) = self.clients.pop_front() {
            let mut own = self.waiting.remove(&client).unwrap_or_default();
            own.retain(|waiting| !waiting.grant.is_closed());
            let has_room = own.front().is_some_and(|first| first.needed <= self.free);
            let first = if has_room { own.pop_front() } else { None };
            let is_left = !own.is_empty();
            if is_left {
                self.waiting.insert(client, own);
            }
            match first {
                Some(first) => {
                    if is_left {
                        self.clients.push_back(client);
                    }
                    return Some(first);
                }
                // It waits for more room, and stays the next.
                None if is_left => {
                    self.clients.push_front(client);
                    return None;
                }
                None => {}
            }
        }
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.turns.queue().free += self.taken;
        self.turns.grant();
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::Pin};

    use futures_util::FutureExt as _;
    use rns_cache::on_behalf_of;

    use super::*;

    type Waiter = Pin<Box<dyn Future<Output = Place>>>;

    /// A request that waits for a place.
    fn waiter(turns: &Turns, last: u8, needed: u32) -> Waiter {
        let turns = turns.clone();
        let client = Some([192, 0, 2, last].into());
        let mut waiter: Waiter =
            Box::pin(on_behalf_of(client, async move { turns.place(needed).await }));
        assert!(waiter.as_mut().now_or_never().is_none(), "there is no place");
        waiter
    }

    #[tokio::test]
    async fn turns_go_round_by_client() {
        let turns = Turns::new(1);
        let place = turns.place(1).await;
        let many: Vec<_> = (0..1000).map(|_| waiter(&turns, 1, 1)).collect();
        let mut other = waiter(&turns, 2, 1);
        drop(place);
        let mut many = many.into_iter();
        // One of the thousand was first; then comes the other client, not the next of them.
        drop(many.next().unwrap().now_or_never().expect("its turn"));
        let place = other.as_mut().now_or_never().expect("its turn");
        let mut next = many.next().unwrap();
        assert!(next.as_mut().now_or_never().is_none());
        drop(place);
        assert!(next.now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_has_left_is_passed_over() {
        let turns = Turns::new(1);
        let place = turns.place(1).await;
        let left: Vec<_> = (0..1000).map(|_| waiter(&turns, 1, 1)).collect();
        let mut stays = waiter(&turns, 1, 1);
        drop(left);
        assert!(turns.has_waiting());
        drop(place);
        drop(stays.as_mut().now_or_never().expect("its turn"));
        assert!(!turns.has_waiting() && turns.place(1).now_or_never().is_some());
    }

    #[tokio::test]
    async fn one_who_needs_much_is_not_overtaken_for_ever() {
        let turns = Turns::new(3);
        let (one, two) = (turns.place(1).await, turns.place(2).await);
        let mut large = waiter(&turns, 1, 3);
        let mut small = waiter(&turns, 2, 1);
        drop(two);
        assert!(small.as_mut().now_or_never().is_none(), "the other one came first");
        drop(one);
        drop(large.as_mut().now_or_never().expect("its turn"));
        assert!(small.now_or_never().is_some());
    }
}

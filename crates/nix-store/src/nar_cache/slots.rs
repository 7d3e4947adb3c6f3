//! Slots bound the work that runs at the same time. Requests get them client by client: a client with thousands of requests
//! does not keep out a client with one. A client that has left is passed over.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rns_cache::{Asker, asker};
use tokio::sync::oneshot;

/// The slots. Clones share them.
#[derive(Clone)]
pub(super) struct Slots(Arc<Mutex<SlotQueue>>);

struct SlotQueue {
    free: u32,
    /// Clients with waiting requests, in the order of their slots.
    clients: VecDeque<Asker>,
    waiting: HashMap<Asker, VecDeque<SlotRequest>>,
}

struct SlotRequest {
    needed: u32,
    grant: oneshot::Sender<Slot>,
}

/// A slot, or several, until it is dropped.
pub(super) struct Slot {
    slots: Slots,
    taken: u32,
}

impl Slots {
    pub(super) fn new(slots: u32) -> Self {
        let queue = SlotQueue { free: slots, clients: VecDeque::new(), waiting: HashMap::new() };
        Self(Arc::new(Mutex::new(queue)))
    }

    fn queue(&self) -> MutexGuard<'_, SlotQueue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for so many slots, of which there are enough when all others have been given back.
    pub(super) async fn slot(&self, needed: u32) -> Slot {
        let granted = {
            let mut queue = self.queue();
            if queue.clients.is_empty() && queue.free >= needed {
                queue.free -= needed;
                return Slot { slots: self.clone(), taken: needed };
            }
            let (grant, granted) = oneshot::channel();
            queue.enter(asker(), SlotRequest { needed, grant });
            granted
        };
        // Those who have left may have stood in front of it.
        self.grant();
        match granted.await {
            Ok(slot) => slot,
            // The queue is gone together with all who could wait in it.
            Err(_) => Slot { slots: self.clone(), taken: 0 },
        }
    }

    /// Whether a request waits.
    pub(super) fn has_waiting(&self) -> bool {
        self.queue().has_waiting()
    }

    /// Gives free slots to those whose turn it is.
    fn grant(&self) {
        let mut granted = Vec::new();
        let mut queue = self.queue();
        while let Some(waiting) = queue.next() {
            queue.free -= waiting.needed;
            let slot = Slot { slots: self.clone(), taken: waiting.needed };
            granted.push((waiting.grant, slot));
        }
        drop(queue);
        for (grant, slot) in granted {
            // Of one who left just now it comes back, and goes to the next.
            drop(grant.send(slot));
        }
    }
}

impl SlotQueue {
    fn enter(&mut self, client: Asker, waiting: SlotRequest) {
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
    fn next(&mut self) -> Option<SlotRequest> {
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

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.queue().free += self.taken;
        self.slots.grant();
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::Pin};

    use futures_util::FutureExt as _;
    use rns_cache::on_behalf_of;

    use super::*;

    type Waiter = Pin<Box<dyn Future<Output = Slot>>>;

    /// A request that waits for a slot.
    fn waiter(slots: &Slots, last: u8, needed: u32) -> Waiter {
        let slots = slots.clone();
        let client = Some([192, 0, 2, last].into());
        let mut waiter: Waiter =
            Box::pin(on_behalf_of(client, async move { slots.slot(needed).await }));
        assert!(waiter.as_mut().now_or_never().is_none(), "there is no slot");
        waiter
    }

    #[tokio::test]
    async fn turns_go_round_by_client() {
        let slots = Slots::new(1);
        let slot = slots.slot(1).await;
        let many: Vec<_> = (0..1000).map(|_| waiter(&slots, 1, 1)).collect();
        let mut other = waiter(&slots, 2, 1);
        drop(slot);
        let mut many = many.into_iter();
        // One of the thousand was first; then comes the other client, not the next of them.
        drop(many.next().unwrap().now_or_never().expect("its turn"));
        let slot = other.as_mut().now_or_never().expect("its turn");
        let mut next = many.next().unwrap();
        assert!(next.as_mut().now_or_never().is_none());
        drop(slot);
        assert!(next.now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_has_left_is_passed_over() {
        let slots = Slots::new(1);
        let slot = slots.slot(1).await;
        let left: Vec<_> = (0..1000).map(|_| waiter(&slots, 1, 1)).collect();
        let mut stays = waiter(&slots, 1, 1);
        drop(left);
        assert!(slots.has_waiting());
        drop(slot);
        drop(stays.as_mut().now_or_never().expect("its turn"));
        assert!(!slots.has_waiting() && slots.slot(1).now_or_never().is_some());
    }

    #[tokio::test]
    async fn one_who_needs_much_is_not_overtaken_for_ever() {
        let slots = Slots::new(3);
        let (one, two) = (slots.slot(1).await, slots.slot(2).await);
        let mut large = waiter(&slots, 1, 3);
        let mut small = waiter(&slots, 2, 1);
        drop(two);
        assert!(small.as_mut().now_or_never().is_none(), "the other one came first");
        drop(one);
        drop(large.as_mut().now_or_never().expect("its turn"));
        assert!(small.now_or_never().is_some());
    }
}

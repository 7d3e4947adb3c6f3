//! The same for one document beside paths, such as a log: every interleaving of a pusher that stores it, one that asks for it,
//! its owner that comes and goes, the end of the grace, and two collectors that may die at any step.

use std::collections::{HashSet, VecDeque};

/// A rule that is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Break {
    YouthDoesNotCount,
    OwnersDoNotCount,
    PushersDoNotWait,
    AskersLookFirst,
    RemovedWithoutClaim,
}

/// Lives of each collector. Each has a claim of its own.
const LIVES: u8 = 2;

/// How often the grace ends, and how often the owner comes or goes.
const CHANGES: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Row {
    is_young: bool,
    /// The claim that holds it; 0: none.
    claim: u8,
    has_ended: bool,
}

impl Row {
    const fn is_held(self) -> bool {
        self.claim != 0 && !self.has_ended
    }
}

/// Steps of a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Collecting {
    Idle,
    Claimed,
    Sent,
    Removed,
}

/// Steps of a pusher: of one that stores the document, or of one that asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pushing {
    Idle,
    /// The row is young, or with a broken rule the object was seen.
    Begun,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct World {
    is_stored: bool,
    row: Option<Row>,
    has_owner: bool,
    /// A pusher was told within the grace that it is there.
    is_promised: bool,
    /// Its owner has been here ever since a promise.
    is_owned: bool,
    storing: Pushing,
    asking: Pushing,
    collectors: [(Collecting, u8); 2],
    /// Requests to remove it that were sent and not carried out yet, a bit for each claim.
    on_the_way: u8,
    ages: u8,
    owner_changes: u8,
}

const fn claim_of(collector: usize, life: u8) -> u8 {
    1 + (collector as u8) * LIVES + life
}

impl World {
    /// An old document without an owner, or none.
    const fn beginning(is_stored: bool) -> Self {
        let row = Row { is_young: false, claim: 0, has_ended: false };
        Self {
            is_stored,
            row: if is_stored { Some(row) } else { None },
            has_owner: false,
            is_promised: false,
            is_owned: false,
            storing: Pushing::Idle,
            asking: Pushing::Idle,
            collectors: [(Collecting::Idle, 0); 2],
            on_the_way: 0,
            ages: CHANGES,
            owner_changes: CHANGES,
        }
    }

    /// A promise stays for its grace, and as long as the owner.
    const fn is_broken(&self) -> bool {
        (self.is_promised || self.is_owned) && !self.is_stored
    }

    fn promise(&mut self) {
        self.is_promised = true;
        self.is_owned |= self.has_owner;
    }

    /// The transaction of a pusher before it looks for the object or writes it. `None`: it waits.
    fn touched(mut self, broken: Option<Break>) -> Option<Self> {
        let waits = self.row.is_some_and(Row::is_held) && broken != Some(Break::PushersDoNotWait);
        self.row = Some(Row { is_young: true, claim: 0, has_ended: false });
        (!waits).then_some(self)
    }

    fn storing(mut self, broken: Option<Break>) -> Option<Self> {
        match self.storing {
            Pushing::Idle => {
                self.storing = Pushing::Begun;
                self.touched(broken)
            }
            Pushing::Begun => {
                self.storing = Pushing::Done;
                self.is_stored = true;
                self.promise();
                Some(self)
            }
            Pushing::Done => None,
        }
    }

    fn asking(mut self, broken: Option<Break>) -> Option<Self> {
        let looks_first = broken == Some(Break::AskersLookFirst);
        match self.asking {
            Pushing::Idle if looks_first => {
                self.asking = if self.is_stored { Pushing::Begun } else { Pushing::Done };
                Some(self)
            }
            Pushing::Idle => {
                self.asking = Pushing::Begun;
                self.touched(broken)
            }
            Pushing::Begun => {
                self.asking = Pushing::Done;
                let mut told = if looks_first { self.touched(broken)? } else { self };
                if looks_first || told.is_stored {
                    told.promise();
                }
                Some(told)
            }
            Pushing::Done => None,
        }
    }

    fn collecting(mut self, number: usize, broken: Option<Break>) -> Option<Self> {
        let (step, life) = self.collectors[number];
        let claim = claim_of(number, life);
        let holds = self.row.is_some_and(|row| row.claim == claim && !row.has_ended);
        let next = match step {
            Collecting::Idle => {
                let row = self.row?;
                let is_kept = self.has_owner && broken != Some(Break::OwnersDoNotCount)
                    || row.is_young && broken != Some(Break::YouthDoesNotCount);
                if is_kept || row.is_held() {
                    return None;
                }
                self.row = Some(Row { claim, has_ended: false, ..row });
                Collecting::Claimed
            }
            Collecting::Claimed if holds || broken == Some(Break::RemovedWithoutClaim) => {
                self.on_the_way |= 1 << claim;
                Collecting::Sent
            }
            // The claim has ended: it goes on with something else.
            Collecting::Claimed => Collecting::Idle,
            Collecting::Sent if self.on_the_way & (1 << claim) == 0 => Collecting::Removed,
            Collecting::Sent => return None,
            Collecting::Removed => {
                if self.row.is_some_and(|row| row.claim == claim) {
                    self.row = None;
                }
                Collecting::Idle
            }
        };
        self.collectors[number].0 = next;
        Some(self)
    }

    /// Everything that may happen next.
    fn next(self, broken: Option<Break>) -> Vec<Self> {
        let mut next: Vec<Self> = self.storing(broken).into_iter().collect();
        next.extend(self.asking(broken));
        for number in 0..2 {
            next.extend(self.collecting(number, broken));
            let (step, life) = self.collectors[number];
            if step != Collecting::Idle && life + 1 < LIVES {
                let mut dead = self;
                dead.collectors[number] = (Collecting::Idle, life + 1);
                next.push(dead);
            }
        }
        for claim in (0..8).filter(|claim| self.on_the_way & (1 << claim) != 0) {
            next.push(Self {
                is_stored: false,
                on_the_way: self.on_the_way & !(1 << claim),
                ..self
            });
        }
        // A claim lasts longer than the requests of its holder.
        if let Some(row) = self.row.filter(|row| row.is_held())
            && self.on_the_way & (1 << row.claim) == 0
        {
            next.push(Self { row: Some(Row { has_ended: true, ..row }), ..self });
        }
        // A push takes less than the grace.
        let is_pushing = self.storing == Pushing::Begun || self.asking == Pushing::Begun;
        if self.ages > 0 && !is_pushing {
            let row = self.row.map(|row| Row { is_young: false, ..row });
            next.push(Self { row, is_promised: false, ages: self.ages - 1, ..self });
        }
        if self.owner_changes > 0 {
            let has_owner = !self.has_owner;
            let is_owned = has_owner && self.is_promised;
            let owner_changes = self.owner_changes - 1;
            next.push(Self { has_owner, is_owned, owner_changes, ..self });
        }
        next
    }
}

/// The number of states, and the first one in which a promise is broken. `removed`: whether a collection removed the document.
fn explore(broken: Option<Break>) -> (usize, Option<World>, bool) {
    let beginnings = [World::beginning(true), World::beginning(false)];
    let (mut seen, mut open) = (HashSet::from(beginnings), VecDeque::from(beginnings));
    let mut removed = false;
    while let Some(world) = open.pop_front() {
        if world.is_broken() {
            return (seen.len(), Some(world), removed);
        }
        removed |= world.collectors.iter().any(|(step, _)| *step == Collecting::Removed);
        for next in world.next(broken) {
            if seen.insert(next) {
                open.push_back(next);
            }
        }
    }
    (seen.len(), None, removed)
}

#[test]
fn a_document_that_was_promised_stays_in_any_interleaving() {
    let (states, violation, removed) = explore(None);
    println!("{states} states");
    assert_eq!(violation, None);
    assert!(removed, "no document was ever collected");
}

#[test]
fn a_document_that_goes_before_its_time_is_noticed() {
    for broken in [
        Break::YouthDoesNotCount,
        Break::OwnersDoNotCount,
        Break::PushersDoNotWait,
        Break::AskersLookFirst,
        Break::RemovedWithoutClaim,
    ] {
        let (_, violation, _) = explore(Some(broken));
        assert!(violation.is_some(), "{broken:?} is not noticed");
    }
}

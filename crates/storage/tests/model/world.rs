//! Storage and index of two paths: 0 refers to 1, each has a NAR of its own.

use crate::{collector::IDLE, explorer::Bounds};

/// States of a path, as in the index.
pub(crate) const ELSEWHERE: u8 = 0;
pub(crate) const PUBLISHING: u8 = 1;
pub(crate) const PUBLISHED: u8 = 2;
pub(crate) const CONDEMNED: u8 = 3;
pub(crate) const DELETING: u8 = 4;

/// States of a NAR.
pub(crate) const ABSENT: u8 = 0;
pub(crate) const LIVE: u8 = 1;
pub(crate) const DOOMED: u8 = 2;
pub(crate) const DYING: u8 = 3;
pub(crate) const ARRIVING: u8 = 4;

/// The claim of a pusher that finishes the work of a dead collector. Those of collectors are smaller.
pub(crate) const PUSHER_CLAIM: u8 = 7;

/// A rule that is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    NarsOfVisiblePathsGo,
    ReferrersDoNotCount,
    CondemnedReferrersDoNotCount,
    DyingReferrersDoNotCount,
    NoSecondLook,
    DyingPathsArePromised,
    PushersDoNotWait,
    ArrivingNarsAreNotNoted,
    ArrivingNarsAreCondemned,
    ClaimsEndForOthers,
    GiveBackAsCondemned,
    RootsDoNotCount,
    RootsTakeDyingPaths,
    LateDeletions,
    LocksDoNotCount,
}

/// An invariant that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// I1: a visible narinfo's NAR is there.
    NarInfoWithoutNar,
    /// I2: the references of a visible narinfo are visible.
    MissingReference,
    /// I3: a path or NAR that a pusher was told to be there is there, within the grace.
    LostPromise,
    /// I4: the paths that a root needs are there.
    BrokenRoot,
    /// I5: nothing is removed with a claim that has ended.
    LateDeletion,
}

/// A row of a path or NAR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) state: u8,
    pub(crate) claim: u8,
    pub(crate) has_ended: bool,
    /// Told to a pusher within the grace.
    pub(crate) is_young: bool,
    /// Read lately.
    pub(crate) is_used: bool,
}

/// Where a pusher is: the step, and the path that it is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pusher {
    pub(crate) step: u8,
    pub(crate) path: u8,
}

/// Where a collector is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Collector {
    /// Its claim; another one in each life.
    pub(crate) claim: u8,
    pub(crate) step: u8,
    /// Paths (bits 0 and 1) and NARs (bits 2 and 3) that it means to remove, by a look at the index that may be long ago.
    pub(crate) plan: u8,
    /// The one that it is at.
    pub(crate) item: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) paths: [Row; 2],
    pub(crate) nars: [Row; 2],
    /// Visible objects.
    pub(crate) narinfos: [bool; 2],
    pub(crate) files: [bool; 2],
    pub(crate) promised: [bool; 2],
    pub(crate) is_rooted: bool,
    pub(crate) pusher: Pusher,
    pub(crate) collectors: [Collector; 2],
    /// Requests to remove an object that are on their way, by claim (1 to 4) and item.
    pub(crate) in_flight: u16,
    pub(crate) bounds: Bounds,
}

/// A world in a few bytes: equal for worlds from which the same can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Packed(u128);

/// Writes and reads numbers of a few bits each, one after the other.
#[derive(Default)]
struct Bits(u128, u32);

impl Bits {
    fn put(&mut self, number: impl Into<u128>, width: u32) {
        let number = number.into();
        assert!(number >> width == 0, "{number} has no room in {width} bits");
        self.0 |= number << self.1;
        self.1 += width;
        assert!(self.1 <= u128::BITS);
    }

    fn take(&mut self, width: u32) -> u16 {
        let number = self.0 & ((1 << width) - 1);
        self.0 >>= width;
        u16::try_from(number).unwrap()
    }

    fn byte(&mut self, width: u32) -> u8 {
        u8::try_from(self.take(width)).unwrap()
    }

    fn flag(&mut self) -> bool {
        self.take(1) == 1
    }
}

impl Packed {
    pub(crate) fn of(mut world: World) -> Self {
        world.forget_what_does_not_matter();
        let mut bits = Bits::default();
        for row in world.paths.iter().chain(&world.nars) {
            bits.put(row.state, 3);
            bits.put(row.claim, 3);
            bits.put(row.has_ended, 1);
            bits.put(row.is_young, 1);
            bits.put(row.is_used, 1);
        }
        let flags = [world.narinfos, world.files, world.promised].concat();
        flags.into_iter().for_each(|flag| bits.put(flag, 1));
        bits.put(world.is_rooted, 1);
        bits.put(world.pusher.step, 4);
        bits.put(world.pusher.path, 1);
        for collector in world.collectors {
            bits.put(collector.claim, 3);
            bits.put(collector.step, 3);
            bits.put(collector.plan, 4);
            bits.put(collector.item, 2);
        }
        bits.put(world.in_flight, 16);
        let Bounds { collector_lives, pushes, ages, reads, roots } = world.bounds;
        for bound in [collector_lives, pushes, ages, reads, roots] {
            bits.put(bound, 3);
        }
        Self(bits.0)
    }

    pub(crate) fn world(self) -> World {
        let mut bits = Bits(self.0, 0);
        let row = |bits: &mut Bits| Row {
            state: bits.byte(3),
            claim: bits.byte(3),
            has_ended: bits.flag(),
            is_young: bits.flag(),
            is_used: bits.flag(),
        };
        let bits = &mut bits;
        World {
            paths: [row(bits), row(bits)],
            nars: [row(bits), row(bits)],
            narinfos: [bits.flag(), bits.flag()],
            files: [bits.flag(), bits.flag()],
            promised: [bits.flag(), bits.flag()],
            is_rooted: bits.flag(),
            pusher: Pusher { step: bits.byte(4), path: bits.byte(1) },
            collectors: [Collector::taken(bits), Collector::taken(bits)],
            in_flight: bits.take(16),
            bounds: Bounds {
                collector_lives: bits.byte(3),
                pushes: bits.byte(3),
                ages: bits.byte(3),
                reads: bits.byte(3),
                roots: bits.byte(3),
            },
        }
    }
}

impl Collector {
    fn taken(bits: &mut Bits) -> Self {
        let (claim, step) = (bits.byte(3), bits.byte(3));
        Self { claim, step, plan: bits.byte(4), item: bits.byte(2) }
    }
}

impl World {
    /// The two collectors are the same kind of thing, one that has ended has no claim, and of a claim that has ended it does not
    /// matter whose it was, unless its holder is alive.
    fn forget_what_does_not_matter(&mut self) {
        for collector in &mut self.collectors {
            if collector.step == IDLE {
                *collector = Collector::default();
            }
        }
        self.collectors.sort_unstable();
        let alive = self.collectors.map(|collector| collector.claim);
        for row in self.paths.iter_mut().chain(&mut self.nars) {
            if row.has_ended && !alive.contains(&row.claim) {
                row.claim = 0;
            }
        }
    }

    pub(crate) fn empty() -> Self {
        Self {
            paths: Default::default(),
            nars: Default::default(),
            narinfos: [false; 2],
            files: [false; 2],
            promised: [false; 2],
            is_rooted: false,
            pusher: Pusher { step: crate::actors::IDLE, path: 1 },
            collectors: Default::default(),
            in_flight: 0,
            bounds: Bounds::default(),
        }
    }

    /// An old path.
    pub(crate) fn with_path(mut self, path: usize) -> Self {
        self.paths[path].state = PUBLISHED;
        self.nars[path].state = LIVE;
        self.narinfos[path] = true;
        self.files[path] = true;
        self
    }

    /// All of it condemned, by a collector that has died.
    pub(crate) fn condemned(mut self) -> Self {
        self.paths.iter_mut().for_each(|path| path.state = CONDEMNED);
        self
    }

    pub(crate) fn bounded(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// The row of an item: paths are 0 and 1, NARs 2 and 3.
    pub(crate) fn row(&mut self, item: u8) -> &mut Row {
        let index = usize::from(item);
        if item < 2 { &mut self.paths[index] } else { &mut self.nars[index - 2] }
    }

    pub(crate) fn object(&mut self, item: u8) -> &mut bool {
        let index = usize::from(item);
        if item < 2 { &mut self.narinfos[index] } else { &mut self.files[index - 2] }
    }

    /// Whether the row is held by this claim, which has not ended.
    pub(crate) fn is_held(&mut self, item: u8, claim: u8) -> bool {
        let deleting = if item < 2 { DELETING } else { DYING };
        let row = self.row(item);
        row.state == deleting && row.claim == claim && !row.has_ended
    }

    pub(crate) fn violation(&self) -> Option<Violation> {
        let is_whole = |path: usize| self.narinfos[path] && self.files[path];
        if (0..2).any(|path| self.narinfos[path] && !self.files[path]) {
            return Some(Violation::NarInfoWithoutNar);
        }
        if self.narinfos[0] && !self.narinfos[1] {
            return Some(Violation::MissingReference);
        }
        if (0..2).any(|path| self.promised[path] && !is_whole(path)) {
            return Some(Violation::LostPromise);
        }
        (self.is_rooted && !(is_whole(0) && is_whole(1))).then_some(Violation::BrokenRoot)
    }
}

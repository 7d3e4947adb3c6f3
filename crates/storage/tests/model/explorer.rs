//! Breadth-first search through everything that can happen.

use std::{
    collections::HashSet,
    hash::{BuildHasherDefault, Hasher},
};

use crate::{
    actors, collector,
    world::{Break, Violation, World},
};

/// How much may happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Bounds {
    /// Collections that begin: two at the same time, and others after one has died.
    pub(crate) collector_lives: u8,
    /// Pushes that begin.
    pub(crate) pushes: u8,
    /// How often the grace passes.
    pub(crate) ages: u8,
    /// Reads that are noted.
    pub(crate) reads: u8,
    /// Roots that are set; each may be deleted.
    pub(crate) roots: u8,
}

/// What comes after a state: the name of the step, and the next state or the invariant that the step itself breaks.
pub(crate) type Next = (&'static str, Result<World, Violation>);

/// The outcome of an exploration.
pub(crate) struct Explored {
    pub(crate) states: usize,
    /// Whether a path was collected in some state.
    pub(crate) collected: bool,
    /// An invariant that does not hold, and the steps that lead there.
    pub(crate) violation: Option<(Violation, Vec<&'static str>)>,
}

/// Multiplies and rotates: the states are many and the hashes need no secret.
#[derive(Default)]
pub(crate) struct QuickHasher(u64);

impl Hasher for QuickHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u8(*byte));
    }

    fn write_u8(&mut self, byte: u8) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_u16(&mut self, number: u16) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(number)).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

/// Explores everything that can happen from `beginning`, until an invariant fails or nothing is new.
pub(crate) fn explore(beginning: World, broken: Option<Break>) -> Explored {
    let mut seen: HashSet<World, BuildHasherDefault<QuickHasher>> = HashSet::default();
    let mut states = vec![(beginning, 0, "")];
    seen.insert(beginning);
    let (mut current, mut collected) = (0, false);
    while let Some((world, _, _)) = states.get(current).copied() {
        for (step, next) in successors(world, broken) {
            let violation = match &next {
                Ok(next) => next.violation(),
                Err(violation) => Some(*violation),
            };
            if let Some(violation) = violation {
                let mut trace = vec![step];
                let mut at = current;
                while at > 0 {
                    trace.push(states[at].2);
                    at = states[at].1;
                }
                trace.reverse();
                return Explored {
                    states: states.len(),
                    collected,
                    violation: Some((violation, trace)),
                };
            }
            let Ok(next) = next else { continue };
            collected |= world.narinfos[1] && !next.narinfos[1];
            if seen.insert(next) {
                states.push((next, current, step));
            }
        }
        current += 1;
    }
    Explored { states: states.len(), collected, violation: None }
}

fn successors(world: World, broken: Option<Break>) -> Vec<Next> {
    let mut next = Vec::with_capacity(16);
    actors::steps(world, broken, &mut next);
    for number in 0..2 {
        collector::steps(world, number, broken, &mut next);
    }
    collector::requests(world, broken, &mut next);
    next
}

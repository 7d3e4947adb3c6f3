//! Breadth-first search through everything that can happen.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
};

use crate::{
    actors, collector,
    world::{Break, Packed, Violation, World},
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

/// The successors of a state: the name of the step, and the next state or the invariant that the step itself breaks.
pub(crate) type Next = (&'static str, Result<World, Violation>);

/// The outcome of an exploration.
pub(crate) struct Explored {
    pub(crate) states: usize,
    /// Whether a path was collected in some state.
    pub(crate) collected: bool,
    /// An invariant that does not hold, and the steps that lead there.
    pub(crate) violation: Option<(Violation, Vec<&'static str>)>,
}

/// Multiplies and mixes: the states are many and the hashes need no secret.
#[derive(Default)]
pub(crate) struct QuickHasher(u64);

type Quick = BuildHasherDefault<QuickHasher>;

impl Hasher for QuickHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut number = [0; 8];
            number[..chunk.len()].copy_from_slice(chunk);
            let mixed = (self.0 ^ u64::from_le_bytes(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.0 = mixed ^ (mixed >> 32);
        }
    }
}

/// Explores everything that can happen from `beginning`, until an invariant fails or nothing is new.
pub(crate) fn explore(beginning: World, broken: Option<Break>) -> Explored {
    let mut seen: HashSet<Packed, Quick> = HashSet::default();
    let mut states = vec![Packed::of(beginning)];
    seen.extend(&states);
    let (mut next, mut collected) = (Vec::with_capacity(16), false);
    // Only the states of one distance from the beginning are in a list: the steps to one are found out where it matters.
    let mut further = Vec::new();
    while !states.is_empty() {
        for state in states.drain(..) {
            let world = state.world();
            successors(world, broken, &mut next);
            for (_, next) in next.drain(..) {
                if let Some(violation) = violation(&next) {
                    let trace = trace(beginning, broken);
                    let states = seen.len();
                    return Explored { states, collected, violation: Some((violation, trace)) };
                }
                let Ok(next) = next else { continue };
                collected |= world.narinfos[1] && !next.narinfos[1];
                let packed = Packed::of(next);
                if seen.insert(packed) {
                    further.push(packed);
                }
            }
        }
        std::mem::swap(&mut states, &mut further);
    }
    Explored { states: seen.len(), collected, violation: None }
}

/// The steps to the nearest state in which an invariant fails.
fn trace(beginning: World, broken: Option<Break>) -> Vec<&'static str> {
    let mut before: HashMap<Packed, (Packed, &'static str), Quick> = HashMap::default();
    let beginning = Packed::of(beginning);
    let mut states = vec![beginning];
    let (mut next, mut further) = (Vec::new(), Vec::new());
    while !states.is_empty() {
        for state in states.drain(..) {
            successors(state.world(), broken, &mut next);
            for (step, next) in next.drain(..) {
                if violation(&next).is_some() {
                    let mut trace = vec![step];
                    let mut at = state;
                    while at != beginning {
                        let (earlier, step) = before[&at];
                        trace.push(step);
                        at = earlier;
                    }
                    trace.reverse();
                    return trace;
                }
                let Ok(next) = next else { continue };
                let packed = Packed::of(next);
                if packed != beginning && !before.contains_key(&packed) {
                    before.insert(packed, (state, step));
                    further.push(packed);
                }
            }
        }
        std::mem::swap(&mut states, &mut further);
    }
    Vec::new()
}

fn violation(next: &Result<World, Violation>) -> Option<Violation> {
    match next {
        Ok(next) => next.violation(),
        Err(violation) => Some(*violation),
    }
}

fn successors(world: World, broken: Option<Break>, next: &mut Vec<Next>) {
    actors::steps(world, broken, next);
    for number in 0..2 {
        collector::steps(world, number, broken, next);
    }
    collector::requests(world, broken, next);
}

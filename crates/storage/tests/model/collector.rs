//! Collectors, and their requests to the storage.

use crate::{
    actors::holds_unknown_nar,
    explorer::Next,
    world::{
        ABSENT, ARRIVING, Break, CONDEMNED, Collector, DELETING, DOOMED, DYING, ELSEWHERE, LIVE,
        PUBLISHED, PUBLISHING, Row, Violation, World,
    },
};

/// The steps of a collector.
pub(crate) const IDLE: u8 = 0;
const CHOOSE: u8 = 1;
const CLAIM: u8 = 2;
const SEND: u8 = 3;
const WAIT: u8 = 4;

/// Collections that are told apart.
const MAX_CLAIMS: u8 = 4;

const fn flight(claim: u8, item: u8) -> u16 {
    1 << ((claim - 1) * 4 + item)
}

pub(crate) fn steps(world: World, number: usize, broken: Option<Break>, next: &mut Vec<Next>) {
    let collector = world.collectors[number];
    if collector.step == IDLE {
        if world.bounds.collector_lives > 0 {
            next.push(("a collection begins", Ok(begin(world, number, broken))));
        }
        return;
    }
    let mut dead = world;
    dead.collectors[number] = Collector { claim: collector.claim, ..Collector::default() };
    next.push(("a collector dies", Ok(dead)));
    if collector.step == CHOOSE {
        for item in 0..4 {
            if collector.plan & (1 << item) != 0 {
                next.push(("one is condemned", Ok(condemn(world, number, item, broken))));
            }
        }
        return;
    }
    if collector.step == SEND {
        next.extend(give_back(world, number, broken));
    }
    next.extend(go_on(world, number, broken));
}

/// A pusher holds the lock of the claimed path: the claim on it ends, and nothing was sent.
fn give_back(mut world: World, number: usize, broken: Option<Break>) -> Option<Next> {
    let Collector { item, claim, .. } = world.collectors[number];
    if !world.is_held(item, claim) {
        return None;
    }
    let row = world.row(item);
    if broken == Some(Break::GiveBackAsCondemned) {
        row.state = if item < 2 { CONDEMNED } else { DOOMED };
        row.claim = 0;
    } else {
        row.has_ended = true;
    }
    leave(&mut world, number);
    Some(("a claim is given back", Ok(world)))
}

/// Marks: a look at the index of one moment.
fn begin(mut world: World, number: usize, broken: Option<Break>) -> World {
    // Each collection has a claim of its own.
    let claim = world.bounds.collector_lives;
    world.bounds.collector_lives -= 1;
    let is_kept = |row: &Row| row.is_young || row.is_used || row.state == PUBLISHING;
    let keeps_top = world.is_rooted || is_kept(&world.paths[0]);
    let kept = [keeps_top, keeps_top && has_edge(&world) || is_kept(&world.paths[1])];
    let mut plan = 0;
    for (path, is_kept) in kept.into_iter().enumerate() {
        let row = world.paths[path];
        let is_stale = row.state == PUBLISHING && !row.is_young && !world.narinfos[path];
        if (row.state != ELSEWHERE && !is_kept) || row.state == DELETING || is_stale {
            plan |= 1 << path;
        }
        let nar = world.nars[path];
        // An old file that the index does not know is an orphan.
        let is_there = nar.state != ABSENT || world.files[path];
        if row.state == ELSEWHERE && is_there && !nar.is_young {
            plan |= 4 << path;
        }
    }
    if broken == Some(Break::NarsOfVisiblePathsGo) {
        plan |= (plan & 3) << 2;
    }
    if plan != 0 {
        world.collectors[number] = Collector { claim, step: CHOOSE, plan, item: 0 };
    }
    world
}

/// Whether path 0 refers to path 1 in the index.
fn has_edge(world: &World) -> bool {
    world.paths[0].state != ELSEWHERE
}

/// Whether a path is needed by path 0, if that is in one of these states.
fn is_needed(world: &World, item: u8, states: &[u8]) -> bool {
    item == 1 && states.contains(&world.paths[0].state)
}

fn is_free(world: &World, item: u8, broken: Option<Break>) -> bool {
    if item >= 2 {
        let path = world.paths[usize::from(item) - 2];
        let has_path = path.state != ELSEWHERE && broken != Some(Break::NarsOfVisiblePathsGo);
        return !has_path
            && (!world.nars[usize::from(item) - 2].is_young
                || broken == Some(Break::NoSecondLook));
    }
    let row = world.paths[usize::from(item)];
    let is_fresh = (row.is_young || row.is_used) && broken != Some(Break::NoSecondLook);
    let is_rooted = item == 0 && world.is_rooted && broken != Some(Break::RootsDoNotCount);
    !is_fresh && !is_rooted
}

/// T1, for any of the plan: the order is no part of the argument.
fn condemn(mut world: World, number: usize, item: u8, broken: Option<Break>) -> World {
    world.collectors[number].item = item;
    world.collectors[number].plan &= !(1 << item);
    world.collectors[number].step = CLAIM;
    let is_free = is_free(&world, item, broken);
    let ignores = broken == Some(Break::ReferrersDoNotCount);
    let is_needed = is_needed(&world, item, &[PUBLISHING, PUBLISHED]) && !ignores;
    let (there, condemned) = if item < 2 { (PUBLISHED, CONDEMNED) } else { (LIVE, DOOMED) };
    // A NAR that never arrived stays so: condemned ones count as there.
    let is_arriving =
        broken == Some(Break::ArrivingNarsAreCondemned) && world.row(item).state == ARRIVING;
    let row = world.row(item);
    if is_free && !is_needed && (row.state == there || (item >= 2 && is_arriving)) {
        row.state = condemned;
    }
    world
}

/// T2: the same conditions again, and no referrer is visible, not even one that is about to go.
fn claim(mut world: World, number: usize, broken: Option<Break>) -> World {
    let Collector { item, claim, .. } = world.collectors[number];
    let states: &[u8] = match broken {
        Some(Break::ReferrersDoNotCount) => &[],
        Some(Break::CondemnedReferrersDoNotCount) => &[PUBLISHING, PUBLISHED, DELETING],
        Some(Break::DyingReferrersDoNotCount) => &[PUBLISHING, PUBLISHED, CONDEMNED],
        _ => &[PUBLISHING, PUBLISHED, CONDEMNED, DELETING],
    };
    let is_free = is_free(&world, item, broken) && !is_needed(&world, item, states);
    let is_visible = *world.object(item);
    let row = world.row(item);
    let (condemned, deleting) = if item < 2 { (CONDEMNED, DELETING) } else { (DOOMED, DYING) };
    // A publication that was cut off, and whose narinfo never was visible, is claimed at once.
    let is_stale = item < 2 && row.state == PUBLISHING && !is_visible;
    let is_arriving = item >= 2 && row.state == ARRIVING;
    let is_orphan = item >= 2 && row.state == ABSENT && is_visible;
    let is_claimable = row.state == condemned
        || (row.state == deleting && row.has_ended)
        || is_stale
        || is_arriving
        || is_orphan;
    if is_free && is_claimable {
        (row.state, row.claim, row.has_ended) = (deleting, claim, false);
        world.collectors[number].step = SEND;
    } else {
        leave(&mut world, number);
    }
    world
}

/// Whether a pusher holds the lock of a NAR. Only for those that the index did not know does the argument need it.
fn is_locked(world: &World, item: u8) -> bool {
    item >= 2 && holds_unknown_nar(world, item - 2)
}

fn leave(world: &mut World, number: usize) {
    let collector = &mut world.collectors[number];
    collector.step = if collector.plan == 0 { IDLE } else { CHOOSE };
    collector.item = 0;
}

fn go_on(mut world: World, number: usize, broken: Option<Break>) -> Option<Next> {
    let Collector { item, claim: own, step, .. } = world.collectors[number];
    Some(match step {
        CLAIM => ("one is claimed", Ok(claim(world, number, broken))),
        SEND if is_locked(&world, item) && broken != Some(Break::LocksDoNotCount) => return None,
        SEND if world.is_held(item, own) => {
            world.in_flight |= flight(own, item);
            world.collectors[number].step = WAIT;
            ("a removal is sent", Ok(world))
        }
        SEND => {
            leave(&mut world, number);
            ("a claim has ended before", Ok(world))
        }
        WAIT if world.in_flight & flight(own, item) == 0 => {
            // T3.
            let ends_others = broken == Some(Break::ClaimsEndForOthers);
            if world.row(item).claim == own || ends_others {
                *world.row(item) = Row::default();
                if item < 2 {
                    world.collectors[number].plan |= 4 << item;
                }
            }
            leave(&mut world, number);
            ("a claim is ended", Ok(world))
        }
        _ => return None,
    })
}

/// Requests are carried out at any time after they were sent, also when their sender has died; and claims end.
pub(crate) fn requests(world: World, broken: Option<Break>, next: &mut Vec<Next>) {
    for claim in 1..=MAX_CLAIMS {
        let mut has_request = false;
        for item in 0..4 {
            if world.in_flight & flight(claim, item) == 0 {
                continue;
            }
            has_request = true;
            let mut done = world;
            done.in_flight &= !flight(claim, item);
            *done.object(item) = false;
            let is_late = !done.is_held(item, claim);
            let done = if is_late { Err(Violation::LateDeletion) } else { Ok(done) };
            next.push(("an object is removed", done));
        }
        // The lease is longer than any request.
        let holds = |row: &Row| row.claim == claim && !row.has_ended;
        let is_holding = world.paths.iter().chain(&world.nars).any(holds);
        if is_holding && (!has_request || broken == Some(Break::LateDeletions)) {
            let mut ended = world;
            for row in ended.paths.iter_mut().chain(&mut ended.nars) {
                row.has_ended |= row.claim == claim;
            }
            next.push(("a claim ends by time", Ok(ended)));
        }
    }
}

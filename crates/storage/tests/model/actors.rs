//! All actors but collectors: a pusher of the closure, a reader, a client that sets a root, and time.

use crate::{
    explorer::Next,
    world::{
        ABSENT, ARRIVING, Break, CONDEMNED, DELETING, DOOMED, DYING, ELSEWHERE, LIVE, PUBLISHED,
        PUBLISHING, PUSHER_CLAIM, Violation, World,
    },
};

/// The steps of a pusher: it asks for a path, uploads its NAR and its narinfo, the reference first.
pub(crate) const IDLE: u8 = 0;
const ASK: u8 = 1;
const PROMISE: u8 = 2;
const ASK_NAR: u8 = 3;
const BEGIN_NAR: u8 = 4;
const STORE_NAR: u8 = 5;
const PUT_NAR: u8 = 6;
const LOOK: u8 = 7;
const KEEP: u8 = 8;
const BEGIN_PUBLISH: u8 = 9;
const FINISH_REMOVAL: u8 = 10;
const WRITE: u8 = 11;
const END_PUBLISH: u8 = 12;
/// As `STORE_NAR` and `PUT_NAR`, of a NAR that the index does not know: its file keeps it, which is new, and its lock.
const STORE_UNKNOWN_NAR: u8 = 13;
const PUT_UNKNOWN_NAR: u8 = 14;

pub(crate) fn steps(world: World, broken: Option<Break>, next: &mut Vec<Next>) {
    reader(world, next);
    root(world, broken, next);
    time(world, next);
    if world.pusher.step == IDLE {
        if world.bounds.pushes > 0 {
            let mut begun = world;
            begun.bounds.pushes -= 1;
            (begun.pusher.step, begun.pusher.path) = (ASK, 1);
            next.push(("a push begins", Ok(begun)));
        }
        return;
    }
    let mut dead = world;
    dead.pusher.step = IDLE;
    dead.pusher.path = 1;
    next.push(("the pusher dies", Ok(dead)));
    next.extend(push(world, broken));
    next.extend(begin_unknown_nar(world));
}

/// With the index in SQLite a NAR that it does not know is not noted before it is there.
fn begin_unknown_nar(world: World) -> Option<Next> {
    let is_unknown = world.nars[usize::from(world.pusher.path)].state == ABSENT;
    (world.pusher.step == BEGIN_NAR && is_unknown)
        .then(|| ("an unknown NAR arrives", Ok(at(world, STORE_UNKNOWN_NAR))))
}

/// Whether the pusher holds the lock of a NAR that the index did not know.
pub(crate) fn holds_unknown_nar(world: &World, path: u8) -> bool {
    matches!(world.pusher.step, STORE_UNKNOWN_NAR | PUT_UNKNOWN_NAR) && world.pusher.path == path
}

fn reader(world: World, next: &mut Vec<Next>) {
    for path in 0..2 {
        if world.bounds.reads > 0 && world.narinfos[path] && !world.paths[path].is_used {
            let mut read = world;
            read.bounds.reads -= 1;
            read.paths[path].is_used = read.paths[path].state != ELSEWHERE;
            next.push(("a read is noted", Ok(read)));
        }
    }
}

/// A root on path 0 is registered in one transaction that looks at its closure.
fn root(world: World, broken: Option<Break>, next: &mut Vec<Next>) {
    if world.is_rooted {
        let mut deleted = world;
        deleted.is_rooted = false;
        next.push(("the root is deleted", Ok(deleted)));
    } else if world.bounds.roots > 0 {
        let takes_dying = broken == Some(Break::RootsTakeDyingPaths);
        let is_there =
            |state| matches!(state, PUBLISHED | CONDEMNED) || (takes_dying && state == DELETING);
        if world.paths.iter().all(|path| is_there(path.state)) {
            let mut set = world;
            set.bounds.roots -= 1;
            set.is_rooted = true;
            for path in &mut set.paths {
                if path.state == CONDEMNED {
                    path.state = PUBLISHED;
                }
            }
            next.push(("a root is set", Ok(set)));
        }
    }
}

/// The grace passes. It is longer than a push takes.
fn time(world: World, next: &mut Vec<Next>) {
    if world.bounds.ages == 0 || world.pusher.step != IDLE {
        return;
    }
    let mut older = world;
    older.bounds.ages -= 1;
    older.promised = [false; 2];
    for row in older.paths.iter_mut().chain(&mut older.nars) {
        row.is_young = false;
        row.is_used = false;
    }
    next.push(("the grace passes", Ok(older)));
}

/// The index is asked to keep a path: whether it is there, and the new state.
fn keep(world: &mut World, path: usize, broken: Option<Break>) -> bool {
    match world.paths[path].state {
        PUBLISHED | CONDEMNED => {
            world.paths[path].state = PUBLISHED;
            world.paths[path].is_young = true;
            true
        }
        DELETING => broken == Some(Break::DyingPathsArePromised),
        // One that was cut off before the index learnt of it is entered.
        _ if world.narinfos[path] && world.files[path] && world.nars[path].state != DYING => {
            world.paths[path].state = PUBLISHED;
            world.paths[path].is_young = true;
            world.nars[path].state = LIVE;
            world.nars[path].is_young = true;
            true
        }
        _ => false,
    }
}

/// The path is told to the pusher; the next one follows.
fn promised(mut world: World) -> World {
    let path = usize::from(world.pusher.path);
    world.promised[path] = true;
    if path == 0 {
        (world.pusher.step, world.pusher.path) = (IDLE, 1);
    } else {
        (world.pusher.step, world.pusher.path) = (ASK, 0);
    }
    world
}

fn at(mut world: World, step: u8) -> World {
    world.pusher.step = step;
    world
}

fn push(mut world: World, broken: Option<Break>) -> Option<Next> {
    let path = usize::from(world.pusher.path);
    Some(match world.pusher.step {
        ASK => {
            let step = if world.narinfos[path] { PROMISE } else { ASK_NAR };
            ("the narinfo is looked for", Ok(at(world, step)))
        }
        PROMISE => {
            let kept = keep(&mut world, path, broken);
            let then = if kept { promised(world) } else { at(world, ASK_NAR) };
            ("the path is promised", Ok(then))
        }
        ASK_NAR => {
            let is_there = matches!(world.nars[path].state, LIVE | DOOMED);
            if is_there {
                world.nars[path].state = LIVE;
                world.nars[path].is_young = true;
            }
            let step = if is_there { LOOK } else { BEGIN_NAR };
            ("the NAR is asked for", Ok(at(world, step)))
        }
        BEGIN_NAR => {
            let row = &mut world.nars[path];
            let waits = broken != Some(Break::PushersDoNotWait);
            if row.state == DYING && !row.has_ended && waits {
                return None;
            }
            if broken != Some(Break::ArrivingNarsAreNotNoted) {
                row.state = if matches!(row.state, LIVE | DOOMED) { LIVE } else { ARRIVING };
                (row.claim, row.has_ended, row.is_young) = (0, false, true);
            }
            ("a NAR arrives", Ok(at(world, STORE_NAR)))
        }
        STORE_NAR | STORE_UNKNOWN_NAR => {
            let step = if world.pusher.step == STORE_NAR { PUT_NAR } else { PUT_UNKNOWN_NAR };
            world.files[path] = true;
            ("the NAR is stored", Ok(at(world, step)))
        }
        PUT_NAR | PUT_UNKNOWN_NAR => {
            let row = &mut world.nars[path];
            (row.state, row.claim, row.has_ended, row.is_young) = (LIVE, 0, false, true);
            ("the NAR is noted", Ok(at(world, LOOK)))
        }
        LOOK => {
            let step = if world.narinfos[path] { KEEP } else { BEGIN_PUBLISH };
            ("the narinfo is pushed", Ok(at(world, step)))
        }
        KEEP => {
            let kept = keep(&mut world, path, broken);
            let then = if kept { promised(world) } else { at(world, BEGIN_PUBLISH) };
            ("the path is kept", Ok(then))
        }
        BEGIN_PUBLISH => return begin_publish(world, broken),
        FINISH_REMOVAL => {
            world.narinfos[path] = false;
            world.paths[path] = Default::default();
            ("a removal is finished by the pusher", Ok(at(world, BEGIN_PUBLISH)))
        }
        WRITE => {
            world.narinfos[path] = true;
            ("the narinfo is written", Ok(at(world, END_PUBLISH)))
        }
        END_PUBLISH => {
            if matches!(world.paths[path].state, PUBLISHING | CONDEMNED) {
                world.paths[path].state = PUBLISHED;
            }
            ("the publication ends", Ok(promised(world)))
        }
        _ => return None,
    })
}

/// One transaction: the NAR and the reference are there, and nothing removes them from now on.
fn begin_publish(mut world: World, broken: Option<Break>) -> Option<Next> {
    const NAME: &str = "a publication begins";
    let path = usize::from(world.pusher.path);
    if !matches!(world.nars[path].state, LIVE | DOOMED) {
        // The pusher was told that it is there, or has just uploaded it.
        return Some((NAME, Err(Violation::LostPromise)));
    }
    world.nars[path].state = LIVE;
    world.nars[path].is_young = true;
    match world.paths[path].state {
        PUBLISHED | CONDEMNED => {
            if !world.narinfos[path] {
                world.paths[path] = Default::default();
                return Some(("a path without a narinfo is forgotten", Ok(world)));
            }
            world.paths[path].state = PUBLISHED;
            world.paths[path].is_young = true;
            return Some((NAME, Ok(promised(world))));
        }
        DELETING if broken != Some(Break::PushersDoNotWait) => {
            if !world.paths[path].has_ended {
                return None;
            }
            world.paths[path].claim = PUSHER_CLAIM;
            world.paths[path].has_ended = false;
            return Some(("a removal is taken over", Ok(at(world, FINISH_REMOVAL))));
        }
        _ => {}
    }
    if path == 0 {
        if !matches!(world.paths[1].state, PUBLISHED | CONDEMNED) {
            return Some((NAME, Err(Violation::LostPromise)));
        }
        world.paths[1].state = PUBLISHED;
        world.paths[1].is_young = true;
    }
    let row = &mut world.paths[path];
    (row.state, row.claim, row.has_ended, row.is_young) = (PUBLISHING, 0, false, true);
    Some((NAME, Ok(at(world, WRITE))))
}

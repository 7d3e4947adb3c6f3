//! Every interleaving of a pusher, a reader, a client that sets a root, and two collectors, each of which may die at any step: a
//! small model of the storage, explored exhaustively.
//!
//! `docs/decisions/0014-collection.md` has the rules in words. Each rule can be broken here; then the explorer finds the
//! fault.

#![expect(clippy::indexing_slicing, clippy::print_stdout, clippy::unwrap_used, reason = "tests")]

mod actors;
mod collector;
mod documents;
mod explorer;
mod world;

use self::{
    explorer::{Bounds, explore},
    world::{Break, Violation, World},
};

/// The interleavings that are explored each time, from each beginning; `RNS_MODEL=1` explores more: 46 million states.
const BOUNDS: [Bounds; 4] = [
    Bounds { collector_lives: 2, pushes: 1, ages: 0, reads: 0, roots: 0 },
    Bounds { collector_lives: 2, pushes: 0, ages: 0, reads: 1, roots: 1 },
    Bounds { collector_lives: 1, pushes: 1, ages: 1, reads: 0, roots: 1 },
    Bounds { collector_lives: 1, pushes: 2, ages: 1, reads: 0, roots: 0 },
];

/// The explored worlds with `RNS_MODEL=1`.
const MORE: [Bounds; 2] = [
    Bounds { collector_lives: 2, pushes: 2, ages: 1, reads: 1, roots: 1 },
    Bounds { collector_lives: 3, pushes: 1, ages: 1, reads: 1, roots: 1 },
];

/// Where broken rules show.
const SMALL: Bounds = Bounds { collector_lives: 2, pushes: 1, ages: 1, reads: 1, roots: 1 };

/// The states in which an exploration begins: an old closure that everything would let go, the half-done work of a collector,
/// the reference alone, nothing, and a NAR that the index does not know.
fn beginnings() -> [World; 5] {
    let whole = World::empty().with_path(0).with_path(1);
    let reference_only = World::empty().with_path(1);
    let mut orphan = World::empty();
    orphan.files[1] = true;
    [whole, whole.condemned(), reference_only, World::empty(), orphan]
}

#[test]
fn nothing_that_is_needed_goes_in_any_interleaving() {
    let more = std::env::var_os("RNS_MODEL").is_some();
    for bounds in BOUNDS.iter().chain(MORE.iter().filter(|_| more)) {
        for (number, beginning) in beginnings().into_iter().enumerate() {
            let explored = explore(beginning.bounded(*bounds), None);
            println!("{bounds:?} from {number}: {} states", explored.states);
            if let Some((violation, trace)) = explored.violation {
                panic!("{violation:?}: {trace:#?}");
            }
            // The exploration reaches its subject.
            assert!(number >= 3 || explored.collected, "no path was ever collected");
        }
    }
}

/// With a rule broken, one of these invariants must be seen to fail.
fn assert_found(broken: Break, expected: &[Violation]) {
    for beginning in beginnings() {
        let explored = explore(beginning.bounded(SMALL), Some(broken));
        if let Some((violation, trace)) = explored.violation {
            println!("{broken:?}: {violation:?} after {} steps", trace.len());
            assert!(expected.contains(&violation), "{broken:?}: {violation:?}: {trace:#?}");
            return;
        }
    }
    panic!("{broken:?} is not noticed");
}

#[test]
fn a_nar_that_goes_before_its_narinfo_is_noticed() {
    assert_found(Break::NarsOfVisiblePathsGo, &[Violation::NarInfoWithoutNar]);
}

#[test]
fn a_reference_that_goes_before_its_referrer_is_noticed() {
    assert_found(Break::ReferrersDoNotCount, &[Violation::MissingReference]);
    assert_found(Break::CondemnedReferrersDoNotCount, &[Violation::MissingReference]);
    assert_found(Break::DyingReferrersDoNotCount, &[Violation::MissingReference]);
}

#[test]
fn a_promise_that_is_not_kept_is_noticed() {
    use Violation::{LostPromise, MissingReference, NarInfoWithoutNar};
    // A request of a claim that another collector took over is carried out late.
    let lost = [LostPromise, MissingReference, NarInfoWithoutNar, Violation::LateDeletion];
    assert_found(Break::NoSecondLook, &lost);
    assert_found(Break::DyingPathsArePromised, &lost);
    assert_found(Break::PushersDoNotWait, &lost);
    assert_found(Break::ArrivingNarsAreNotNoted, &lost);
    assert_found(Break::ClaimsEndForOthers, &lost);
    assert_found(Break::LocksDoNotCount, &lost);
    assert_found(
        Break::GiveBackAsCondemned,
        &[LostPromise, MissingReference, Violation::BrokenRoot],
    );
}

#[test]
fn a_nar_that_never_arrived_and_counts_as_there_is_noticed() {
    // It takes two pushes, of which the first one dies.
    let bounds = Bounds { collector_lives: 1, pushes: 2, ages: 1, reads: 0, roots: 0 };
    let beginning = World::empty().bounded(bounds);
    assert!(explore(beginning, None).violation.is_none());
    let explored = explore(beginning, Some(Break::ArrivingNarsAreCondemned));
    let (violation, _) = explored.violation.unwrap();
    let expected = [Violation::NarInfoWithoutNar, Violation::LostPromise];
    assert!(expected.contains(&violation), "{violation:?}");
}

#[test]
fn a_root_that_is_not_whole_is_noticed() {
    assert_found(Break::RootsDoNotCount, &[Violation::BrokenRoot]);
    assert_found(Break::RootsTakeDyingPaths, &[Violation::BrokenRoot]);
}

#[test]
fn a_deletion_after_its_claim_has_ended_is_noticed() {
    assert_found(Break::LateDeletions, &[Violation::LateDeletion]);
}

//! A real storage under random policies: pushes, reads, roots, documents and the passing of time in any order, and after each
//! collection exactly that is there which the policy says. The model of a policy is that of `plan.rs`.
//!
//! `RNS_POLICY_CASES=500 cargo nextest run -p rns-storage policies` tries more.

mod collection;
mod policy;
mod world;

use std::collections::BTreeSet;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use self::{
    policy::{Policy, policies},
    world::{World, name},
};

/// Paths of a case. Each refers to some before it.
const PATHS: usize = 7;

/// An hour, and some seconds more: so no sum of such times is a whole number of hours, and a second more or less decides
/// nothing.
const STEP: i64 = 3600 + 1111;

#[derive(Clone, Debug)]
enum Event {
    /// A client pushes the closure of a path, with a log and its like.
    Push(usize),
    /// A client downloads a path.
    Read(usize),
    /// A root names a path alone, if it is there.
    Root(usize),
    /// That root goes.
    Release(usize),
    /// So many steps of time pass.
    Pass(i64),
    /// A collection, and a push of this closure at the same time.
    Collect(Policy, Option<usize>),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0..PATHS).prop_map(Event::Push),
        2 => (0..PATHS).prop_map(Event::Read),
        2 => (0..PATHS).prop_map(Event::Root),
        1 => (0..PATHS).prop_map(Event::Release),
        3 => (1..30_i64).prop_map(Event::Pass),
        4 => (policies(), prop::option::weighted(0.3, 0..PATHS))
            .prop_map(|(policy, meanwhile)| Event::Collect(policy, meanwhile)),
    ];
    prop::collection::vec(event, 1..14)
}

fn references() -> impl Strategy<Value = Vec<BTreeSet<usize>>> {
    let sets = prop::collection::vec(prop::collection::btree_set(0..PATHS, 0..3), PATHS);
    sets.prop_map(|sets| {
        let sets = sets.into_iter().enumerate();
        sets.map(|(number, set)| set.into_iter().filter(|other| *other < number).collect())
            .collect()
    })
}

async fn happens(references: Vec<BTreeSet<usize>>, events: &[Event]) {
    let world = World::new(references).await;
    for event in events {
        match event {
            Event::Push(top) => world.push(*top).await,
            Event::Read(number) => world.read(*number).await,
            Event::Root(number) => world.root(*number).await,
            Event::Release(number) => {
                world.index().retain_revisions(&name(*number), &[]).await.unwrap();
            }
            Event::Pass(steps) => world.pass(*steps),
            Event::Collect(policy, meanwhile) => world.collect(policy, *meanwhile).await,
        }
        // Roots that were set are whole after every collection.
        world.visible().await;
    }
}

#[test]
fn exactly_that_is_there_which_the_policy_says() {
    let cases = std::env::var("RNS_POLICY_CASES").map_or(24, |text| text.parse().unwrap());
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let run = runner.run(&(references(), events()), |(references, events)| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.unwrap().block_on(happens(references, &events));
        Ok(())
    });
    if let Err(failure) = run {
        panic!("{failure}");
    }
}

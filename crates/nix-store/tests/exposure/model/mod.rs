//! Over random stores, policies and changes, every endpoint shows the paths that the policy means, and no
//! others.

mod endpoints;
mod plan;
mod world;

use proptest::{prelude::*, test_runner::Config};

use self::{
    endpoints::check,
    plan::{Node, Policy, Step, plan},
    world::World,
};

/// A case takes a tenth of a second: fewer than usual, unless more are asked for.
fn config() -> Config {
    let default = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { 48 };
    Config { cases, max_shrink_iters: 200, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_endpoint_shows_what_the_policy_means(
        (nodes, links, policy, steps) in plan()
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(&nodes, &links, policy, &steps));
    }
}

async fn run(nodes: &[Node], links: &[Option<usize>], mut policy: Policy, steps: &[Step]) {
    let mut world = World::new(nodes, links);
    let all = world.open();
    let mut store = all.cache(&world.policy(&policy));
    store.exposure_settled().await.unwrap();
    check(&world, &store, &policy, "at first").await;
    for step in steps {
        let is_new = match step {
            Step::Register(node) => {
                world.register(node);
                true
            }
            Step::Switch(link, node) => {
                world.switch(*link, *node);
                false
            }
            Step::Sign(node, key) => {
                world.sign(*node, *key);
                false
            }
            Step::Replace(index, node) => {
                world.replace(*index, node);
                false
            }
            Step::Collect(index) => {
                world.collect(*index);
                false
            }
            Step::Change(other) => {
                policy = other.clone();
                store = all.cache(&world.policy(&policy));
                store.exposure_settled().await.unwrap();
                true
            }
        };
        // A newly registered path is shown, or not, at once.
        if is_new {
            check(&world, &store, &policy, "at once").await;
        }
        // The rest is known at the latest when the policy is set again.
        store = all.cache(&world.policy(&policy));
        store.exposure_settled().await.unwrap();
        check(&world, &store, &policy, "then").await;
    }
}

//! The plan of a collection against a model that follows the words of the policy, and computes everything anew at each step.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use proptest::prelude::*;
use rns_storage::{
    collect::{Plan, StorageGraph, Verdict, plan},
    index::{IndexedPathRow, NarRow},
    retention::Retention,
};

pub(crate) const NOW: i64 = 1_000_000;

/// A path that was used so much later than its referrer does not go with it.
const CLOSURE_WINDOW: i64 = 3600;

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) state: i64,
    pub(crate) touched: i64,
    pub(crate) used: i64,
    pub(crate) nar: usize,
    pub(crate) is_rooted: bool,
    pub(crate) references: BTreeSet<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) nodes: Vec<Node>,
    /// Sizes, and when each was touched.
    pub(crate) nars: Vec<(u64, i64)>,
    pub(crate) retention: Retention,
    /// Bytes that are missing on the disk.
    pub(crate) missing: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let hours = |most: i64| (0..=most).prop_map(|hours| NOW - hours * 1800);
    let node = (
        prop_oneof![1 => Just(0), 1 => Just(1), 8 => Just(2), 2 => Just(3), 1 => Just(4)],
        hours(40),
        prop_oneof![Just(0), hours(40)],
        0..12_usize,
        prop::bool::weighted(0.1),
        prop::collection::btree_set(0..14_usize, 0..4),
    );
    let node = node.prop_map(|(state, touched, used, nar, is_rooted, references)| Node {
        state,
        touched,
        used,
        nar,
        is_rooted,
        references,
    });
    let retention = (
        prop_oneof![Just(0), 1..8_u64],
        prop::option::of(0..30_u64),
        prop::option::of(0..60_u64),
        prop::option::of(0..5_u64),
        any::<bool>(),
    );
    let retention =
        retention.prop_map(|(min_age, unused_for, max_size, max_closures, keep_roots)| Retention {
            min_age: Duration::from_secs(min_age * 1800),
            unused_for: unused_for.map(|hours| Duration::from_secs(hours * 1800)),
            max_size,
            max_closures,
            keep_roots,
            ..Retention::default()
        });
    let nars = prop::collection::vec((1..10_u64, hours(40)), 12);
    let missing = prop_oneof![3 => Just(0), 1 => 1..80_u64];
    let parts = (prop::collection::vec(node, 0..14), nars, retention, missing);
    parts.prop_map(|(nodes, nars, retention, missing)| {
        let mut case = Case { nodes, nars, retention, missing };
        for number in 0..case.nodes.len() {
            let is_here = case.nodes[number].state != 0;
            // A path refers only to those that were there before it.
            case.nodes[number].references.retain(|reference| is_here && *reference < number);
        }
        case
    })
}

impl Case {
    fn graph(&self) -> StorageGraph {
        let id = |number: usize| i64::try_from(number).unwrap() * 3 + 1;
        let mut graph = StorageGraph::default();
        let nars = self.nars.iter().enumerate();
        let nars = nars.map(|(number, (file_size, touched))| NarRow {
            id: id(number),
            is_live: true,
            touched: *touched,
            file_size: *file_size,
        });
        graph.add_nars(&nars.collect::<Vec<_>>());
        let paths = self.nodes.iter().enumerate().map(|(number, node)| IndexedPathRow {
            id: id(number),
            state: node.state,
            nar: (node.state != 0).then(|| id(node.nar)),
            published: 0,
            touched: node.touched,
            used: node.used,
        });
        graph.add_paths(&paths.collect::<Vec<_>>());
        for (number, node) in self.nodes.iter().enumerate() {
            let edges: Vec<_> =
                node.references.iter().map(|reference| (id(number), id(*reference))).collect();
            graph.add_edges(&edges);
            if node.is_rooted {
                graph.add_rooted(&[(7, id(number))]);
            }
        }
        graph
    }

    fn last_use(&self, number: usize) -> i64 {
        self.nodes[number].touched.max(self.nodes[number].used)
    }

    fn closure(&self, seeds: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        let is_there = |number: &usize| !matches!(self.nodes[*number].state, 0 | 4);
        let mut closure = BTreeSet::new();
        let mut next: Vec<usize> = seeds.into_iter().collect();
        while let Some(number) = next.pop() {
            if is_there(&number) && closure.insert(number) {
                next.extend(&self.nodes[number].references);
            }
        }
        closure
    }

    fn where_(&self, is_meant: impl Fn(&Node, i64) -> bool) -> Vec<usize> {
        let meant = |number: &usize| is_meant(&self.nodes[*number], self.last_use(*number));
        (0..self.nodes.len()).filter(meant).collect()
    }

    pub(crate) fn young(&self) -> i64 {
        NOW - i64::try_from(self.retention.min_age.as_secs()).unwrap()
    }

    fn is_exceeded(&self, kept: &BTreeSet<usize>) -> bool {
        let held: BTreeSet<usize> = kept.iter().map(|number| self.nodes[*number].nar).collect();
        let stays = |nar: usize| held.contains(&nar) || self.nars[nar].1 > self.young();
        let bytes: u64 =
            (0..self.nars.len()).filter(|nar| stays(*nar)).map(|nar| self.nars[nar].0).sum();
        let all: u64 = self.nars.iter().map(|(size, _)| size).sum();
        self.retention.max_size.is_some_and(|max| bytes > max)
            || (self.missing > 0 && bytes > all.saturating_sub(self.missing))
            || self.retention.max_closures.is_some_and(|max| self.tops(kept).len() as u64 > max)
    }

    fn is_needed(&self, number: usize, kept: &BTreeSet<usize>) -> bool {
        kept.iter().any(|referrer| self.nodes[*referrer].references.contains(&number))
    }

    fn tops(&self, kept: &BTreeSet<usize>) -> Vec<usize> {
        kept.iter().copied().filter(|number| !self.is_needed(*number, kept)).collect()
    }

    /// The paths that stay, by the words of the policy.
    pub(crate) fn kept(&self) -> BTreeSet<usize> {
        let young = self.young();
        let firm = self.closure(
            self.where_(|node, _| node.is_rooted || node.touched > young || node.state == 1),
        );
        let mut kept = firm.clone();
        let Retention { unused_for, keep_roots, .. } = &self.retention;
        if let Some(unused_for) = unused_for {
            let used = NOW - i64::try_from(unused_for.as_secs()).unwrap();
            kept.extend(self.closure(self.where_(|_, last_use| last_use > used)));
        } else if !keep_roots {
            kept.extend(self.closure(0..self.nodes.len()));
        }
        while self.is_exceeded(&kept) {
            let tops = self.tops(&kept).into_iter().filter(|top| !firm.contains(top));
            let Some(top) = tops.min_by_key(|top| (self.last_use(*top), *top)) else { break };
            let mut next = vec![top];
            while let Some(number) = next.pop() {
                kept.remove(&number);
                let with_it = self.nodes[number].references.iter().copied().filter(|reference| {
                    kept.contains(reference)
                        && !firm.contains(reference)
                        && !self.is_needed(*reference, &kept)
                        && self.last_use(*reference) <= self.last_use(top) + CLOSURE_WINDOW
                });
                next.extend(with_it.collect::<Vec<_>>());
            }
        }
        kept
    }
}

fn planned(case: &Case) -> Plan {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.unsigned_abs());
    plan(&case.graph(), &case.retention, case.missing, now)
}

fn kept(plan: &Plan) -> BTreeSet<usize> {
    let verdicts = plan.verdicts.iter().enumerate();
    verdicts
        .filter(|(_, verdict)| matches!(verdict, Verdict::Kept(_)))
        .map(|(number, _)| number)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_stays_is_exactly_what_the_policy_says(case in cases()) {
        let plan = planned(&case);
        prop_assert_eq!(kept(&plan), case.kept());
        // A path that stays has its closure, and a path that goes goes after all its referrers.
        let mut gone = BTreeSet::new();
        for number in &plan.going {
            for (referrer, node) in case.nodes.iter().enumerate() {
                let refers = node.references.contains(number);
                let is_kept = matches!(plan.verdicts[referrer], Verdict::Kept(_));
                let is_dying = case.nodes[*number].state == 4;
                prop_assert!(!refers || gone.contains(&referrer) || (is_kept && is_dying));
            }
            gone.insert(*number);
        }
        prop_assert_eq!(plan.circular, 0);
        let here = case.nodes.iter().filter(|node| node.state != 0).count();
        prop_assert_eq!(kept(&plan).len() + plan.going.len(), here);
        // Every byte is counted once.
        let all: u64 = case.nars.iter().map(|(size, _)| size).sum();
        prop_assert_eq!(plan.present_bytes(), all);
    }
}

#[test]
fn the_default_keeps_everything_and_says_how_much_there_is() {
    let node = |number: usize| Node {
        state: 2,
        touched: 0,
        used: 0,
        nar: number,
        is_rooted: false,
        references: BTreeSet::new(),
    };
    let case = Case {
        nodes: (0..3).map(node).collect(),
        nars: vec![(10, 0), (20, 0), (30, 0)],
        retention: Retention::default(),
        missing: 0,
    };
    let plan = planned(&case);
    assert_eq!(plan.going, [0_usize; 0]);
    assert_eq!((plan.kept_amount().paths, plan.kept_amount().bytes), (3, 60));
}

//! Random stores, policies and changes.

use proptest::{collection::vec, option, prelude::*};

pub(super) const NAMES: [&str; 5] = ["lib", "tool", "secret", "doc-debug", "x.drv"];

pub(super) const PATTERNS: [&str; 6] = ["*", "lib*", "*secret*", "*.drv", "t??l", "*-debug"];

/// Links that may be roots.
pub(super) const LINKS: usize = 3;

/// A path to be registered.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: usize,
    /// Which of the earlier paths it refers to, as bits.
    pub(super) references: u32,
    pub(super) own_reference: bool,
    pub(super) signatures: Vec<Signature>,
    /// One of all paths, also of later ones.
    pub(super) deriver: Option<usize>,
    /// Whether its contents are those of others.
    pub(super) common: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Signature {
    /// By one of the keys.
    Good(usize),
    /// In the name of one of the keys, of something else.
    Bad(usize),
    /// By no trusted key ever.
    Unknown,
}

#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) roots: Option<Vec<usize>>,
    pub(super) names: Vec<Vec<&'static str>>,
    /// Keys; number 2 has the name of number 0 and is another one.
    pub(super) signed_by: Option<Vec<usize>>,
    pub(super) deny: Vec<&'static str>,
    pub(super) allow: Vec<&'static str>,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Register(Node),
    Switch(usize, Option<usize>),
    Sign(usize, usize),
    /// Collects a path, if nothing refers to it, and registers it anew.
    Replace(usize, Node),
    Collect(usize),
    Change(Policy),
}

fn node() -> impl Strategy<Value = Node> {
    let signature = prop_oneof![
        6 => (0..2_usize).prop_map(Signature::Good),
        1 => (0..2_usize).prop_map(Signature::Bad),
        1 => Just(Signature::Unknown),
    ];
    (
        0..NAMES.len(),
        // Few references, so that closures differ.
        (any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(a, b, c)| a & b & c),
        any::<bool>(),
        vec(signature, 0..3),
        option::of(0..20_usize),
        any::<bool>(),
    )
        .prop_map(|(name, references, own_reference, signatures, deriver, common)| Node {
            name,
            references,
            own_reference,
            signatures,
            deriver,
            common,
        })
}

fn policy() -> impl Strategy<Value = Policy> {
    let pattern = || (0..PATTERNS.len()).prop_map(|pattern| PATTERNS[pattern]);
    (
        option::of(vec(0..LINKS, 0..=LINKS)),
        prop_oneof![3 => Just(Vec::new()), 1 => vec(vec(pattern(), 0..3), 1..3)],
        prop_oneof![2 => Just(None), 1 => vec(0..3_usize, 0..3).prop_map(Some)],
        // All denied would be no test.
        vec((1..PATTERNS.len()).prop_map(|pattern| PATTERNS[pattern]), 0..3),
        vec(pattern(), 0..2),
    )
        .prop_map(|(roots, names, signed_by, deny, allow)| Policy {
            roots,
            names,
            signed_by,
            deny,
            allow,
        })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => node().prop_map(Step::Register),
        3 => (0..LINKS, option::of(0..20_usize)).prop_map(|(link, node)| Step::Switch(link, node)),
        1 => (0..20_usize, 0..2_usize).prop_map(|(node, key)| Step::Sign(node, key)),
        2 => (0..20_usize, node()).prop_map(|(at, node)| Step::Replace(at, node)),
        1 => (0..20_usize).prop_map(Step::Collect),
        1 => policy().prop_map(Step::Change),
    ]
}

/// A store, the targets of the links, a policy, and the changes that follow.
pub(super) fn plan() -> impl Strategy<Value = (Vec<Node>, Vec<Option<usize>>, Policy, Vec<Step>)> {
    (
        vec(node(), 1..12),
        vec(option::weighted(0.8, 0..12_usize), LINKS),
        policy(),
        vec(step(), 0..6),
    )
}

//! Paths with their references, as far as closures were followed.

use std::collections::HashMap;

use rns_cache::ExposurePolicy;

use super::{
    outcome::EvaluationFailure,
    set::SetEntry,
    source::{DatabaseSource, SeenRow},
};

/// Rows that one question takes.
pub(super) const MAX_ROWS_AT_ONCE: usize = 4096;

/// Nodes that were read are kept: the references of a row do not change while it is there.
#[derive(Default)]
pub(super) struct ReferenceGraph {
    index: HashMap<i64, u32>,
    nodes: Vec<GraphNode>,
    /// Indexes of nodes.
    edges: Vec<u32>,
    /// Nodes whose row has not been read.
    unread: Vec<u32>,
    /// A row disappeared while its referrer was there: everything has to be read anew.
    torn: bool,
}

struct GraphNode {
    id: i64,
    key: u64,
    /// Where its references begin and end in `edges`.
    edges: (u32, u32),
    violates: bool,
}

/// Paths that are withheld because of their references, some of them with the cause.
#[derive(Default)]
pub(super) struct Withheld {
    pub(super) number: usize,
    pub(super) examples: Vec<(i64, i64)>,
}

/// Examples that the operator is told.
pub(super) const MAX_EXAMPLES: usize = 10;

impl ReferenceGraph {
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) const fn is_torn(&self) -> bool {
        self.torn
    }

    /// Reads the closures of these rows, as far as they are not known.
    pub(super) fn load(
        &mut self,
        source: &DatabaseSource,
        policy: &ExposurePolicy,
        seeds: impl IntoIterator<Item = i64>,
    ) -> Result<(), EvaluationFailure> {
        for seed in seeds {
            self.node(seed)?;
        }
        while !self.unread.is_empty() {
            if self.nodes.len() > source.limit {
                return Err(EvaluationFailure::TooMany);
            }
            let rest = self.unread.len().saturating_sub(MAX_ROWS_AT_ONCE);
            let mut ids: Vec<i64> = self
                .unread
                .drain(rest..)
                .filter_map(|node| self.nodes.get(node as usize))
                .map(|node| node.id)
                .collect();
            // Neighbours in the table.
            ids.sort_unstable();
            let found = source.nodes(policy, &ids)?;
            self.torn |= found.len() != ids.len();
            for (seen, references) in found {
                self.add(seen, &references)?;
            }
        }
        Ok(())
    }

    /// The node of a row, which is read later if it is new.
    fn node(&mut self, id: i64) -> Result<u32, EvaluationFailure> {
        if let Some(&node) = self.index.get(&id) {
            return Ok(node);
        }
        let node = u32::try_from(self.nodes.len()).map_err(|_| EvaluationFailure::TooMany)?;
        self.index.insert(id, node);
        // A row that is never found is not exposed.
        self.nodes.push(GraphNode { id, key: 0, edges: (0, 0), violates: true });
        self.unread.push(node);
        Ok(node)
    }

    fn add(&mut self, seen: SeenRow, references: &[i64]) -> Result<(), EvaluationFailure> {
        let start = u32::try_from(self.edges.len()).map_err(|_| EvaluationFailure::TooMany)?;
        for &reference in references {
            let node = self.node(reference)?;
            self.edges.push(node);
        }
        let end = u32::try_from(self.edges.len()).map_err(|_| EvaluationFailure::TooMany)?;
        let node = self.node(seen.id)?;
        if let Some(node) = self.nodes.get_mut(node as usize) {
            node.edges = (start, end);
            node.key = seen.key.unwrap_or_default();
            node.violates = seen.violates || seen.key.is_none();
        }
        Ok(())
    }

    /// A row turned out to be one that may not be exposed.
    pub(super) fn condemn(&mut self, id: i64) {
        if let Some(node) =
            self.index.get(&id).copied().and_then(|node| self.nodes.get_mut(node as usize))
        {
            node.violates = true;
        }
    }

    fn edges(&self, node: u32) -> &[u32] {
        let range = self.nodes.get(node as usize).map_or((0, 0), |node| node.edges);
        self.edges.get(range.0 as usize..range.1 as usize).unwrap_or_default()
    }

    /// The nodes in the closures of these rows, which have been loaded.
    pub(super) fn closure(&self, seeds: impl IntoIterator<Item = i64>) -> Vec<bool> {
        let mut reached = vec![false; self.nodes.len()];
        let mut next: Vec<u32> =
            seeds.into_iter().filter_map(|seed| self.index.get(&seed).copied()).collect();
        while let Some(node) = next.pop() {
            if let Some(reached @ false) = reached.get_mut(node as usize) {
                *reached = true;
                next.extend_from_slice(self.edges(node));
            }
        }
        reached
    }

    /// The members whose closure has nothing that violates the policy.
    pub(super) fn exposed(&self, members: &[bool]) -> (Vec<SetEntry>, Withheld) {
        let mut hidden: Vec<bool> = self.nodes.iter().map(|node| node.violates).collect();
        let mut withheld = Withheld::default();
        if self.nodes.iter().zip(members).any(|(node, member)| *member && node.violates) {
            self.hide_referrers(members, &mut hidden, &mut withheld);
        }
        let all = self.nodes.iter().zip(members.iter().zip(&hidden));
        let exposed = all.filter(|(_, (member, hidden))| **member && !**hidden);
        (exposed.map(|(node, _)| (node.key, node.id)).collect(), withheld)
    }

    /// Hides the referrers of a hidden node, and theirs.
    fn hide_referrers(&self, members: &[bool], hidden: &mut [bool], withheld: &mut Withheld) {
        let is_member = |node: u32| members.get(node as usize) == Some(&true);
        let count = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let mut referrers: Vec<(u32, u32)> = (0..count)
            .filter(|&node| is_member(node))
            .flat_map(|node| self.edges(node).iter().map(move |&reference| (reference, node)))
            .filter(|(reference, referrer)| reference != referrer)
            .collect();
        referrers.sort_unstable();
        // A hidden node, and the one that is the cause.
        let mut next: Vec<(u32, u32)> = (0..count)
            .filter(|&node| is_member(node) && hidden.get(node as usize) == Some(&true))
            .map(|node| (node, node))
            .collect();
        while let Some((node, cause)) = next.pop() {
            let start = referrers.partition_point(|edge| edge.0 < node);
            let of_node = referrers.get(start..).unwrap_or_default();
            for &(_, referrer) in of_node.iter().take_while(|edge| edge.0 == node) {
                let Some(hidden @ false) = hidden.get_mut(referrer as usize) else { continue };
                *hidden = true;
                withheld.number += 1;
                if withheld.examples.len() < MAX_EXAMPLES
                    && let (Some(referrer), Some(cause)) =
                        (self.nodes.get(referrer as usize), self.nodes.get(cause as usize))
                {
                    withheld.examples.push((referrer.id, cause.id));
                }
                next.push((referrer, cause));
            }
        }
    }
}

//! Which paths stay and which go: a pure function of the index, the policy and the time.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, SystemTime},
};

use super::{
    graph::StorageGraph,
    order::{LeastRecent, order},
    verdict::{Amount, Cause, Plan, Reason, Verdict},
};
use crate::{
    index::{PathState, Unused},
    retention::Retention,
};

/// A path that goes, and was used within this time after its last referrer, goes with it: closures are read and written one
/// path after the other. In seconds.
const CLOSURE_WINDOW: u32 = 3600;

/// Decides which paths stay. `missing` is the number of bytes that have to go since the disk is too full.
#[must_use]
pub fn plan(graph: &StorageGraph, retention: &Retention, missing: u64, now: SystemTime) -> Plan {
    let mut marking = Marking::new(graph, retention, missing, now);
    marking.mark();
    marking.fit();
    marking.finish()
}

fn ago(now: SystemTime, age: Duration) -> SystemTime {
    now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn seconds(time: SystemTime) -> u32 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

struct Marking<'a> {
    graph: &'a StorageGraph,
    retention: &'a Retention,
    unused: Unused,
    now: SystemTime,
    /// The bytes of NARs that the disk has room for, where it is too full.
    room_on_disk: Option<u64>,
    verdicts: Vec<Option<Verdict>>,
    /// Kept paths that refer to each path.
    referrers: Vec<u32>,
    /// Kept paths that have each NAR.
    holders: Vec<u32>,
    kept_bytes: u64,
    /// Bytes of NARs that stay, although no path keeps them.
    waiting_bytes: u64,
    /// Kept paths that no kept path refers to.
    tops: u64,
}

impl<'a> Marking<'a> {
    fn new(
        graph: &'a StorageGraph,
        retention: &'a Retention,
        missing: u64,
        now: SystemTime,
    ) -> Self {
        let present: u64 = graph.nars().iter().map(|nar| nar.file_size).sum();
        let unused = Unused { untouched_since: ago(now, retention.min_age), unread_since: now };
        Self {
            graph,
            retention,
            unused,
            now,
            room_on_disk: (missing > 0).then(|| present.saturating_sub(missing)),
            verdicts: vec![None; graph.len()],
            referrers: vec![0; graph.len()],
            holders: vec![0; graph.nars().len()],
            kept_bytes: 0,
            waiting_bytes: 0,
            tops: 0,
        }
    }

    /// Keeps the paths of the rules, with all that they need, the strongest reasons first.
    fn mark(&mut self) {
        for (path, facts) in self.graph.paths().iter().enumerate() {
            let verdict = match facts.state {
                PathState::Elsewhere => Verdict::Elsewhere,
                PathState::Deleting => Verdict::Goes(Cause::Interrupted),
                PathState::Publishing | PathState::Published | PathState::Condemned => continue,
            };
            self.set(path, verdict);
        }
        let mut stack: Vec<usize> = self.graph.rooted().collect();
        self.keep(&mut stack, Reason::Root);
        let young = seconds(self.unused.untouched_since);
        self.keep_where(Reason::Young, |facts| {
            facts.touched > young || facts.state == PathState::Publishing
        });
        let is_limited_by_rules = self.retention.keep_roots || self.retention.unused_for.is_some();
        if let Some(unused_for) = self.retention.unused_for {
            let used = seconds(ago(self.now, unused_for));
            self.keep_where(Reason::Used, |facts| facts.last_use > used);
        }
        if !is_limited_by_rules {
            self.keep_where(Reason::Allowed, |_| true);
        }
        let cause =
            if self.retention.unused_for.is_some() { Cause::Unused } else { Cause::Unrooted };
        for verdict in &mut self.verdicts {
            verdict.get_or_insert(Verdict::Goes(cause));
        }
    }

    fn keep_where(&mut self, reason: Reason, is_meant: impl Fn(&super::graph::PathFacts) -> bool) {
        let mut stack = Vec::new();
        for (path, facts) in self.graph.paths().iter().enumerate() {
            if self.verdict(path).is_none() && is_meant(facts) {
                stack.push(path);
                self.keep(&mut stack, reason);
            }
        }
    }

    fn keep(&mut self, stack: &mut Vec<usize>, reason: Reason) {
        while let Some(path) = stack.pop() {
            if self.verdict(path).is_some() {
                continue;
            }
            self.set(path, Verdict::Kept(reason));
            stack.extend(
                self.graph.references(path).filter(|reference| self.verdict(*reference).is_none()),
            );
        }
    }

    fn verdict(&self, path: usize) -> Option<Verdict> {
        self.verdicts.get(path).copied().flatten()
    }

    fn set(&mut self, path: usize, verdict: Verdict) {
        if let Some(place) = self.verdicts.get_mut(path) {
            *place = Some(verdict);
        }
    }

    fn is_kept(&self, path: usize) -> bool {
        matches!(self.verdict(path), Some(Verdict::Kept(_)))
    }

    /// Whether a limit may let a kept path go: neither roots nor youth keep it.
    fn may_go(&self, path: usize) -> bool {
        matches!(self.verdict(path), Some(Verdict::Kept(Reason::Used | Reason::Allowed)))
    }

    /// Lets the least recently used closures go, whole, until the limits are kept.
    fn fit(&mut self) {
        self.count();
        let mut tops: BinaryHeap<LeastRecent> = BinaryHeap::new();
        if self.exceeded().is_some() {
            let all = (0..self.graph.len())
                .filter(|path| self.may_go(*path) && self.referrers.get(*path) == Some(&0));
            tops.extend(all.map(|path| Reverse((self.graph.last_use(path), path))));
        }
        while let (Some(cause), Some(Reverse((last_use, top)))) = (self.exceeded(), tops.pop()) {
            self.tops -= 1;
            let mut stack = vec![top];
            while let Some(path) = stack.pop() {
                self.set(path, Verdict::Goes(cause));
                self.release(path);
                let graph = self.graph;
                for reference in graph.references(path) {
                    let Some(count) = self.referrers.get_mut(reference) else { continue };
                    *count = count.saturating_sub(1);
                    if *count > 0 || !self.is_kept(reference) {
                        continue;
                    }
                    let used = graph.last_use(reference);
                    if self.may_go(reference) && used <= last_use.saturating_add(CLOSURE_WINDOW) {
                        stack.push(reference);
                    } else {
                        // It was asked for by itself, or is kept by itself.
                        self.tops += 1;
                        if self.may_go(reference) {
                            tops.push(Reverse((used, reference)));
                        }
                    }
                }
            }
        }
    }

    /// Counts the needs of each path, and the amounts.
    fn count(&mut self) {
        let graph = self.graph;
        for path in 0..graph.len() {
            if !self.is_kept(path) {
                continue;
            }
            for reference in graph.references(path) {
                if let Some(count) = self.referrers.get_mut(reference) {
                    *count += 1;
                }
            }
            if let Some(holders) = self.nar(path).and_then(|nar| self.holders.get_mut(nar)) {
                *holders += 1;
            }
        }
        for (nar, facts) in graph.nars().iter().enumerate() {
            if self.holders.get(nar).is_some_and(|holders| *holders > 0) {
                self.kept_bytes += facts.file_size;
            } else if self.is_young(nar) {
                self.waiting_bytes += facts.file_size;
            }
        }
        let tops = (0..graph.len())
            .filter(|path| self.is_kept(*path) && self.referrers.get(*path) == Some(&0));
        self.tops = tops.count() as u64;
    }

    fn nar(&self, path: usize) -> Option<usize> {
        self.graph.paths().get(path).and_then(super::graph::PathFacts::nar)
    }

    /// Whether a NAR stays for its grace.
    fn is_young(&self, nar: usize) -> bool {
        let young = seconds(self.unused.untouched_since);
        self.graph.nars().get(nar).is_some_and(|nar| nar.touched > young)
    }

    fn release(&mut self, path: usize) {
        let Some(nar) = self.nar(path) else { return };
        let Some(holders) = self.holders.get_mut(nar) else { return };
        *holders = holders.saturating_sub(1);
        if *holders > 0 {
            return;
        }
        let size = self.graph.nars().get(nar).map_or(0, |nar| nar.file_size);
        self.kept_bytes -= size;
        if self.is_young(nar) {
            self.waiting_bytes += size;
        }
    }

    /// The limit that the paths that stay exceed.
    fn exceeded(&self) -> Option<Cause> {
        let bytes = self.kept_bytes + self.waiting_bytes;
        if self.retention.max_size.is_some_and(|max| bytes > max) {
            return Some(Cause::Size);
        }
        if self.room_on_disk.is_some_and(|room| bytes > room) {
            return Some(Cause::Disk);
        }
        let is_over = self.retention.max_closures.is_some_and(|max| self.tops > max);
        is_over.then_some(Cause::Closures)
    }

    /// When the first path that only its age keeps is old enough to go.
    fn first_aged(&self) -> Option<SystemTime> {
        let young = seconds(self.unused.untouched_since);
        let paths = self.graph.paths().iter().enumerate();
        let touched = paths
            .filter(|(path, facts)| {
                self.verdict(*path) == Some(Verdict::Kept(Reason::Young)) && facts.touched > young
            })
            .map(|(_, facts)| facts.touched);
        let first = u64::from(touched.min()?);
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(first) + self.retention.min_age)
    }

    fn finish(self) -> Plan {
        let goes = |path| matches!(self.verdict(path), Some(Verdict::Goes(_)));
        let (going, circular) = order(self.graph, goes);
        let first_aged = self.first_aged();
        let graph = self.graph;
        let mut kept = [Amount::default(); Reason::ALL.len()];
        let mut freed = [Amount::default(); Cause::ALL.len()];
        let mut counted = vec![false; graph.nars().len()];
        let mut is_new = |nar: Option<usize>| {
            let counted = nar.and_then(|nar| counted.get_mut(nar));
            counted.is_some_and(|counted| !std::mem::replace(counted, true))
        };
        let mut revived = Vec::new();
        for reason in Reason::ALL {
            for (path, facts) in graph.paths().iter().enumerate() {
                if self.verdict(path) != Some(Verdict::Kept(reason)) {
                    continue;
                }
                let bytes = if is_new(facts.nar()) { graph.file_size(path) } else { 0 };
                if let Some(amount) = kept.get_mut(reason as usize) {
                    amount.add(bytes);
                }
                if facts.state == PathState::Condemned {
                    revived.push(path);
                }
            }
        }
        for path in &going {
            let Some(Verdict::Goes(cause)) = self.verdict(*path) else { continue };
            let nar = self.nar(*path);
            let is_freed = is_new(nar) && !nar.is_some_and(|nar| self.is_young(nar));
            let bytes = if is_freed { graph.file_size(*path) } else { 0 };
            if let Some(amount) = freed.get_mut(cause as usize) {
                amount.add(bytes);
            }
        }
        let has_path: Vec<bool> = counted;
        let is_orphan = |nar: &usize| has_path.get(*nar) == Some(&false) && !self.is_young(*nar);
        let orphan_nars: Vec<usize> = (0..graph.nars().len()).filter(is_orphan).collect();
        let size = |nar: &usize| graph.nars().get(*nar).map_or(0, |nar| nar.file_size);
        Plan {
            orphan_bytes: orphan_nars.iter().map(size).sum(),
            orphan_nars,
            verdicts: self
                .verdicts
                .into_iter()
                .map(|verdict| verdict.unwrap_or(Verdict::Elsewhere))
                .collect(),
            going,
            circular,
            kept,
            freed,
            waiting_bytes: self.waiting_bytes,
            revived,
            unused: self.unused,
            first_aged,
        }
    }
}

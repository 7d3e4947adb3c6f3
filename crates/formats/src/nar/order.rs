//! The order in which the parts of a tree may come, shared by everything that writes or reads one.

use super::limits::{NarLimits, TreeError};

/// Follows one tree from its root to its end, and refuses nodes that an archive cannot hold.
///
/// Uses at most `depth * name` bytes for any tree.
#[derive(Debug)]
pub(super) struct TreeOrder {
    limits: NarLimits,
    expect: ExpectedNode,
    /// The latest name of each open directory, one behind the other.
    names: Vec<u8>,
    /// Where in `names` each open directory's latest name begins.
    open: Vec<usize>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ExpectedNode {
    Node,
    EntryOrLeave,
    Nothing,
}

impl TreeOrder {
    pub(super) const fn new(limits: NarLimits) -> Self {
        Self { limits, expect: ExpectedNode::Node, names: Vec::new(), open: Vec::new() }
    }

    /// A regular file comes, and with it the end of its node.
    pub(super) fn regular(&mut self) -> Result<(), TreeError> {
        self.check_node("a regular file")?;
        self.end_node();
        Ok(())
    }

    /// A symbolic link comes, and with it the end of its node.
    pub(super) fn symlink(&mut self, target: &[u8]) -> Result<(), TreeError> {
        self.check_node("a symbolic link")?;
        self.limits.check_target(target)?;
        self.end_node();
        Ok(())
    }

    pub(super) fn enter_directory(&mut self) -> Result<(), TreeError> {
        self.check_node("a directory")?;
        self.open.push(self.names.len());
        self.expect = ExpectedNode::EntryOrLeave;
        Ok(())
    }

    pub(super) fn entry(&mut self, name: &[u8]) -> Result<(), TreeError> {
        let (ExpectedNode::EntryOrLeave, Some(&start)) = (self.expect, self.open.last()) else {
            return Err(TreeError::Misplaced { what: "an entry" });
        };
        self.limits.check_name(name)?;
        // No name is empty, so the empty string before the first entry is smaller than any.
        let previous = self.names.get(start..).unwrap_or_default();
        if name == previous {
            return Err(TreeError::Duplicate { name: name.into() });
        }
        if name < previous {
            return Err(TreeError::Unsorted { previous: previous.into(), name: name.into() });
        }
        self.names.truncate(start);
        self.names.extend_from_slice(name);
        self.expect = ExpectedNode::Node;
        Ok(())
    }

    pub(super) fn leave_directory(&mut self) -> Result<(), TreeError> {
        let (ExpectedNode::EntryOrLeave, Some(&start)) = (self.expect, self.open.last()) else {
            return Err(TreeError::Misplaced { what: "the end of a directory" });
        };
        self.open.pop();
        self.names.truncate(start);
        self.end_node();
        Ok(())
    }

    /// The whole tree has been described.
    pub(super) fn finish(&self) -> Result<(), TreeError> {
        if self.expect == ExpectedNode::Nothing { Ok(()) } else { Err(TreeError::Incomplete) }
    }

    /// Whether the node that ended last was an entry of a directory, rather than the root.
    pub(super) const fn in_directory(&self) -> bool {
        !self.open.is_empty()
    }

    fn check_node(&self, what: &'static str) -> Result<(), TreeError> {
        if self.expect != ExpectedNode::Node {
            return Err(TreeError::Misplaced { what });
        }
        if self.open.len() >= self.limits.depth {
            return Err(TreeError::TooDeep { limit: self.limits.depth });
        }
        Ok(())
    }

    fn end_node(&mut self) {
        self.expect =
            if self.open.is_empty() { ExpectedNode::Nothing } else { ExpectedNode::EntryOrLeave };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> TreeOrder {
        TreeOrder::new(NarLimits::default())
    }

    #[test]
    fn names_increase_within_each_directory_only() {
        let mut order = order();
        order.enter_directory().unwrap();
        order.entry(b"b").unwrap();
        order.enter_directory().unwrap();
        order.entry(b"a").unwrap();
        order.regular().unwrap();
        order.leave_directory().unwrap();
        assert_eq!(order.entry(b"b"), Err(TreeError::Duplicate { name: (*b"b").into() }));
        assert_eq!(
            order.entry(b"a"),
            Err(TreeError::Unsorted { previous: (*b"b").into(), name: (*b"a").into() })
        );
        order.entry(b"b0").unwrap();
        order.regular().unwrap();
        assert_eq!(order.finish(), Err(TreeError::Incomplete));
        order.leave_directory().unwrap();
        assert_eq!(order.finish(), Ok(()));
    }

    #[test]
    fn nothing_comes_out_of_turn() {
        let mut order = order();
        assert!(matches!(order.entry(b"a"), Err(TreeError::Misplaced { .. })));
        assert!(matches!(order.leave_directory(), Err(TreeError::Misplaced { .. })));
        order.enter_directory().unwrap();
        assert!(matches!(order.regular(), Err(TreeError::Misplaced { .. })));
        order.entry(b"a").unwrap();
        assert!(matches!(order.entry(b"b"), Err(TreeError::Misplaced { .. })));
        assert!(matches!(order.leave_directory(), Err(TreeError::Misplaced { .. })));
        order.symlink(b"t").unwrap();
        order.leave_directory().unwrap();
        assert!(matches!(order.regular(), Err(TreeError::Misplaced { .. })));
    }

    #[test]
    fn a_node_at_depth_64_is_refused() {
        let mut order = order();
        for _ in 0..63 {
            order.enter_directory().unwrap();
            order.entry(b"d").unwrap();
        }
        order.enter_directory().unwrap();
        order.entry(b"d").unwrap();
        assert_eq!(order.regular(), Err(TreeError::TooDeep { limit: 64 }));
        assert_eq!(order.enter_directory(), Err(TreeError::TooDeep { limit: 64 }));
        assert_eq!(order.symlink(b"t"), Err(TreeError::TooDeep { limit: 64 }));
    }
}

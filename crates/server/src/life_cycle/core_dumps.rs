//! Keys and tokens that are in memory stay there.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Keeps the memory out of core dumps, and other processes of the same user from reading it. It also means that
/// only root can attach a debugger.
pub fn keep() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!("keys in memory can get into core dumps: {error}");
    }
}

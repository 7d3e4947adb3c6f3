//! Which threads may block: steps that block for a moment run on these at once, and from others they are handed over.

use std::cell::Cell;

thread_local! {
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
    static HAS_MANY_TASKS: Cell<bool> = const { Cell::new(false) };
}

/// Returns true if this thread may block.
#[must_use]
pub fn this_thread_may_block() -> bool {
    MAY_BLOCK.get()
}

/// Returns true if this thread may block and has many tasks. While one task blocks, the others stand still, with the locks and the
/// memory that they hold.
#[must_use]
pub fn tasks_block_each_other() -> bool {
    HAS_MANY_TASKS.get()
}

/// This thread may block, until the value is dropped.
#[derive(Debug)]
pub struct MayBlock(());

impl MayBlock {
    /// Lets this thread block, which has one task.
    #[must_use]
    pub fn for_one_task() -> Self {
        MAY_BLOCK.set(true);
        Self(())
    }

    /// Lets this thread block, which has many tasks.
    #[must_use]
    pub fn for_many_tasks() -> Self {
        HAS_MANY_TASKS.set(true);
        Self::for_one_task()
    }
}

impl Drop for MayBlock {
    /// The thread goes back to its pool, also after a panic.
    fn drop(&mut self) {
        MAY_BLOCK.set(false);
        HAS_MANY_TASKS.set(false);
    }
}

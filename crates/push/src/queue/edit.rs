//! Changes of a queue by its user.

use rns_formats::StorePath;

use super::{error::QueueError, queue_file::Queue, schema::now};

impl Queue {
    /// Has every path tried soon, failed ones too, and a daemon end its pause. Returns the number of paths whose own pause
    /// ends.
    ///
    /// # Errors
    /// When the queue cannot be written.
    pub fn retry(&self) -> Result<usize, QueueError> {
        let connection = self.lock();
        let soon = "update Paths set nextTry = 0, attempts = 0 where nextTry > ?1";
        let paths = connection.execute(soon, [now()]).map_err(self.failed())?;
        connection.execute("update Outage set nextTry = 0", []).map_err(self.failed())?;
        Ok(paths)
    }

    /// Takes these paths out. Returns the number of those that were in it.
    ///
    /// # Errors
    /// When the queue cannot be written.
    pub fn drop_paths(&self, paths: &[StorePath]) -> Result<usize, QueueError> {
        self.take_in()?;
        let mut dropped = 0;
        for path in paths {
            let delete = "delete from Paths where path = ?1";
            dropped += self.lock().execute(delete, [path.as_str()]).map_err(self.failed())?;
        }
        self.forget_outage_of_nothing()?;
        Ok(dropped)
    }

    /// Takes out all paths, or those that have failed. Returns their number.
    ///
    /// # Errors
    /// When the queue cannot be written.
    pub fn drop_all(&self, only_failing: bool) -> Result<usize, QueueError> {
        self.take_in()?;
        let delete = "delete from Paths where not ?1 or error is not null";
        let dropped = self.lock().execute(delete, [only_failing]).map_err(self.failed())?;
        self.forget_outage_of_nothing()?;
        Ok(dropped)
    }

    /// An outage is one for the paths that wait: later ones may find that it is over.
    fn forget_outage_of_nothing(&self) -> Result<(), QueueError> {
        let forget = "delete from Outage where not exists (select 1 from Paths)";
        self.lock().execute(forget, []).map(|_| ()).map_err(self.failed())
    }
}

//! The time in which nothing of a queue gets through: since when, why, and when it is tried again.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, params};

use super::{error::QueueError, queue_file::Queue, schema::now, status::QueueOutage};

impl Queue {
    /// Notes that nothing gets through, for this reason, and the pause until it is tried again, if it is. The first such note
    /// is the beginning of the outage.
    ///
    /// # Errors
    /// When the queue cannot be written.
    pub fn note_outage(
        &self,
        why: &str,
        is_unreachable: bool,
        pause: Option<Duration>,
    ) -> Result<(), QueueError> {
        let note = "insert into Outage (one, since, attempts, nextTry, isUnreachable, error) \
                    values (1, ?1, 1, ?2, ?3, ?4) on conflict (one) do update set \
                    attempts = attempts + 1, nextTry = coalesce(excluded.nextTry, nextTry), \
                    isUnreachable = excluded.isUnreachable, error = excluded.error";
        let pause = pause.map(|pause| i64::try_from(pause.as_secs()).unwrap_or(i64::MAX));
        let next_try = pause.map(|pause| now().saturating_add(pause));
        let values = params![now(), next_try, is_unreachable, why];
        self.lock().execute(note, values).map(|_| ()).map_err(self.failed())
    }

    /// Notes that paths get through.
    ///
    /// # Errors
    /// When the queue cannot be written.
    pub fn end_outage(&self) -> Result<(), QueueError> {
        self.lock().execute("delete from Outage", []).map(|_| ()).map_err(self.failed())
    }

    /// The present outage, if there is one.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub fn outage(&self) -> Result<Option<QueueOutage>, QueueError> {
        let question = "select since, attempts, nextTry, isUnreachable, error from Outage";
        let outage = self.lock().query_row(question, [], |row| {
            Ok(QueueOutage {
                since: row.get(0)?,
                attempts: row.get(1)?,
                next_try: row.get(2)?,
                is_unreachable: row.get(3)?,
                error: row.get(4)?,
            })
        });
        outage.optional().map_err(self.failed())
    }

    /// Returns true if the pause of an outage is to end now, because its user wants that.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub fn is_retry_wanted(&self) -> Result<bool, QueueError> {
        Ok(self.outage()?.is_some_and(|outage| outage.next_try == Some(0)))
    }
}

#[cfg(test)]
mod tests {
    use rns_formats::StorePath;

    use super::*;

    #[test]
    fn an_outage_lasts_from_its_first_note_until_something_gets_through() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("queue.sqlite");
        let queue = Queue::open(&file).unwrap();
        let path = StorePath::parse(&format!("{:032}-x", 1)).unwrap();
        queue.add(std::slice::from_ref(&path), None).unwrap();
        assert_eq!(queue.outage().unwrap(), None);
        queue.note_outage("away", true, Some(Duration::from_secs(50))).unwrap();
        let before = "update Outage set since = 7";
        queue.lock().execute(before, []).unwrap();
        // The pass of a drain, after which nothing else is tried: the daemon still does.
        queue.note_outage("refused", false, None).unwrap();
        let outage = Queue::open(&file).unwrap().outage().unwrap().unwrap();
        assert_eq!((outage.since, outage.attempts, &*outage.error), (7, 2, "refused"));
        assert!(!outage.is_unreachable && outage.next_try.unwrap() > now() + 40);
        assert!(!queue.is_retry_wanted().unwrap());
        queue.retry().unwrap();
        assert!(queue.is_retry_wanted().unwrap());
        queue.drop_paths(&[path]).unwrap();
        assert_eq!(queue.outage().unwrap(), None);
        queue.note_outage("away", true, None).unwrap();
        queue.end_outage().unwrap();
        assert_eq!(queue.outage().unwrap(), None);
    }

    #[test]
    fn a_queue_of_an_earlier_version_is_taken_over() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("queue.sqlite");
        let queue = Queue::open(&file).unwrap();
        let path = StorePath::parse(&format!("{:032}-x", 1)).unwrap();
        queue.add(&[path], None).unwrap();
        let earlier = "drop table Outage; pragma user_version = 1";
        queue.lock().execute_batch(earlier).unwrap();
        let queue = Queue::open(&file).unwrap();
        assert_eq!((queue.status().unwrap().waiting, queue.outage().unwrap()), (1, None));
    }
}

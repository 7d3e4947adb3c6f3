//! Notes the reads of clients in the index, some paths at a time.

use std::time::Duration;

use rns_storage::write::Storage;

/// How long a read may wait to be noted.
const FLUSH_INTERVAL: Duration = Duration::from_secs(2);

/// Paths of one transaction.
const USES_BATCH: usize = 500;

/// Notes reads for as long as the server runs. While the index cannot be written, they are lost: paths look less used.
pub(super) async fn follow(storage: &Storage) {
    let mut has_failed = false;
    loop {
        tokio::time::sleep(FLUSH_INTERVAL).await;
        let uses = storage.reader().uses();
        let (paths, nars) = (uses.take_paths(), uses.take_nars());
        let mut noted = Ok(());
        for batch in paths.chunks(USES_BATCH) {
            noted = noted.and(storage.index().note_reads(batch).await);
        }
        for batch in nars.chunks(USES_BATCH) {
            noted = noted.and(storage.index().note_nar_reads(batch).await);
        }
        if let (Err(error), false) = (&noted, has_failed) {
            tracing::warn!(
                "downloads are not recorded, so that their paths may look unused: {error}"
            );
        }
        has_failed = noted.is_err();
    }
}

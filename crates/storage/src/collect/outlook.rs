//! The plan as of now, in bounded memory: for clients that may see it.

use std::time::SystemTime;

use tokio::task::spawn_blocking;

use super::{
    disk::missing_on_disk,
    error::CollectError,
    going::{GoingRow, Outlook},
    load::load_at_most,
    plan::plan,
    verdict::Verdict,
    why::Excess,
};
use crate::{retention::Retention, write::Storage};

/// Makes the plan as a server makes room, in at most so many bytes of memory for the index. `None`: it takes more.
///
/// # Errors
/// When index or disk cannot be asked.
pub(crate) async fn outlook(
    storage: &Storage,
    retention: &Retention,
    memory: usize,
) -> Result<Option<Outlook>, CollectError> {
    let (as_of, index) = (SystemTime::now(), storage.index());
    let missing = missing_on_disk(storage, retention).await?;
    let is_full = match retention.max_size {
        Some(_) => retention.is_nearly_full(index.stored_since(0).await?.all),
        None => false,
    };
    let policy = Excess { is_full, missing }.policy(retention);
    let Some((graph, _)) = load_at_most(&**index, memory).await? else { return Ok(None) };
    let planned = spawn_blocking(move || {
        let plan = plan(&graph, &policy, missing, as_of);
        let row = |path: &usize| match plan.verdicts.get(*path) {
            Some(Verdict::Goes(cause)) => Some(GoingRow {
                id: graph.id(*path)?,
                cause: *cause,
                bytes: graph.file_size(*path),
                last_use: graph.last_use(*path),
            }),
            _ => None,
        };
        let going = plan.going.iter().filter_map(row).collect();
        Outlook { as_of, kept: plan.kept, freed: plan.freed, going }
    });
    planned.await.map(Some).map_err(|_| CollectError::ShuttingDown)
}

//! Carries out orders of the redo log again.

use rns_formats::HashPart;
use rusqlite::Connection;

use super::{
    order_record::{OrderRecord, RecordedOrder, RecordedPusher},
    orders::{BeginPublish, EndPublish, EnterNewNar, IndexOrder as _, PutNar},
};

/// Carries out the orders of one frame again.
pub(super) fn redo(connection: &Connection, orders: &[u8]) -> rusqlite::Result<()> {
    for line in orders.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let record = serde_json::from_slice::<OrderRecord<'_>>(line).ok();
        let Some(done) = record.and_then(|record| carry_out(connection, record)) else {
            tracing::error!(
                "this version does not know an order in the redo log of the index, and leaves it out; \
                 `storage verify --repair` enters its path: {}",
                String::from_utf8_lossy(line)
            );
            continue;
        };
        done?;
    }
    Ok(())
}

/// `None`: this version does not understand it.
fn carry_out(
    connection: &Connection,
    OrderRecord { at, order }: OrderRecord<'_>,
) -> Option<rusqlite::Result<()>> {
    Some(match order {
        RecordedOrder::PutNar(nar) => {
            let (key, nar) = nar.parse()?;
            PutNar { key, nar }.carry_out(connection, at)
        }
        RecordedOrder::EnterNewNar(nar) => {
            let (key, nar) = nar.parse()?;
            EnterNewNar { key, nar }.carry_out(connection, at).map(|_| ())
        }
        RecordedOrder::BeginPublish(path) => {
            let (path, pusher) = path.parse()?;
            let begin = BeginPublish { path, pusher };
            begin.carry_out(connection, at).map(|refusal| {
                if let Some(refusal) = refusal {
                    let path = &begin.path.path;
                    tracing::error!(
                        "the index does not take {path} for published any more ({refusal:?}); \
                             `storage verify --repair` enters it again"
                    );
                }
            })
        }
        RecordedOrder::EndPublish(hash, pusher) => {
            let hash = HashPart::parse(&hash).ok()?;
            let pusher = pusher.map(RecordedPusher::parse);
            EndPublish { hash, pusher }.carry_out(connection, at)
        }
    })
}

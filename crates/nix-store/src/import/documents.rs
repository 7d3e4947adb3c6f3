//! Logs and realisations on their way to the daemon.

use bytes::Bytes;
use rns_cache::PublishError;
use rns_formats::{Realisation, StorePath};
use tokio::sync::mpsc::channel;

use super::{Imports, refusal::refused};

impl Imports {
    /// Stores the log of a build.
    pub(super) async fn add_log(
        &self,
        derivation: &StorePath,
        text: Bytes,
    ) -> Result<(), PublishError> {
        let refused = |error| refused(&format!("the log of {derivation}"), &error);
        let mut held = self.hold(derivation).await.map_err(refused)?;
        let (sender, mut log) = channel(1);
        _ = sender.send(Ok(text)).await;
        drop(sender);
        held.daemon().add_build_log(derivation.as_str(), &mut log).await.map_err(refused)?;
        held.keep();
        Ok(())
    }

    /// Enters a realisation.
    pub(super) async fn add_realisation(
        &self,
        realisation: &Realisation,
    ) -> Result<(), PublishError> {
        let refused = |error| refused(&format!("the realisation {}", realisation.id), &error);
        let mut held = self.hold(&realisation.out_path).await.map_err(refused)?;
        held.daemon().register_realisation(&realisation.to_json()).await.map_err(refused)?;
        held.keep();
        Ok(())
    }
}

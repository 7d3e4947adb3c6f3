//! Logs, realisations and build traces on their way to the daemon.

use bytes::Bytes;
use rns_cache::PublishError;
use rns_formats::{BuildTraceEntry, Realisation, StorePath};
use tokio::sync::mpsc::channel;

use super::{Imports, refusal::refused};
use crate::daemon::BuiltOutput;

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

    /// Enters the path that an output was built to.
    pub(super) async fn add_build_trace(
        &self,
        entry: &BuildTraceEntry,
    ) -> Result<(), PublishError> {
        let object = format!("the build trace of {}^{}", entry.drv_path, entry.output_name);
        let refused = |error| refused(&object, &error);
        let print = |path: &StorePath| self.store.store_dir().print(path);
        let built = BuiltOutput {
            derivation: print(&entry.drv_path),
            output: entry.output_name.as_str().to_owned(),
            path: print(&entry.out_path),
            signatures: entry.signatures.iter().map(ToString::to_string).collect(),
        };
        let mut held = self.hold(&entry.out_path).await.map_err(refused)?;
        held.daemon().register_build_trace(&built).await.map_err(refused)?;
        held.keep();
        Ok(())
    }
}

//! Contents on their way to the daemon, in frames.
//!
//! ```text
//! → operation, arguments
//! → length, bytes; length, bytes; …; 0       ← messages at any time, an error among them
//!                                            ← the end of the messages, the answer
//! ```

use bytes::Bytes;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::Receiver;

use super::connection::{Connection, Operation};
use super::error::DaemonError;
use super::stderr::{pass_over, pass_over_one};
use super::version::ProtocolVersion;
use super::wire::{Message, WireError};

/// Where contents come from: chunk by chunk, each smaller than some megabytes; closed behind the last one.
pub type ContentSource = Receiver<io::Result<Bytes>>;

/// A store path that is to be made valid, as the daemon is told of it. Paths are written in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathToAdd {
    /// The path.
    pub path: String,
    /// The derivation that it was built from, empty when that is not known.
    pub deriver: String,
    /// SHA-256 of its NAR, 64 hexadecimal digits.
    pub nar_hash: String,
    /// Length of its NAR in bytes.
    pub nar_size: u64,
    /// Its references.
    pub references: Vec<String>,
    /// Signatures, each `name:base64`.
    pub signatures: Vec<String>,
    /// Its content address, empty when it has none.
    pub content_address: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Makes a path valid, with the NAR from `nar`. A path that is valid already stays as it is.
    ///
    /// A daemon that trusts us does not look at the signatures; another one does.
    ///
    /// # Errors
    /// [`DaemonError::Refused`] when the daemon does not want it, such as without a signature that it trusts;
    /// [`DaemonError::Source`] when the NAR cannot be read. After any error the connection is of no more use.
    pub async fn add_to_store(
        &mut self,
        new: &PathToAdd,
        nar: &mut ContentSource,
    ) -> Result<(), DaemonError> {
        /// The daemon notes the time itself.
        const REGISTRATION_TIME: u64 = 0;
        let request = Operation::AddToStoreNar
            .request()
            .string(&new.path)
            .string(&new.deriver)
            .string(&new.nar_hash)
            .strings(&new.references)
            .number(REGISTRATION_TIME)
            .number(new.nar_size)
            .number(false.into()) // not built here
            .strings(&new.signatures)
            .string(&new.content_address)
            .number(false.into()) // no repair
            .number(true.into()); // signatures do not count, for a client that is trusted
        self.send_framed(&request, nar).await?;
        self.awaiting_answer = false;
        Ok(())
    }

    /// Stores the log of a build, for the derivation with this base name. Only for clients that are trusted.
    ///
    /// # Errors
    /// As [`Self::add_to_store`].
    pub async fn add_build_log(
        &mut self,
        derivation: &str,
        log: &mut ContentSource,
    ) -> Result<(), DaemonError> {
        let request = Operation::AddBuildLog.request().string(derivation);
        self.send_framed(&request, log).await?;
        self.stream.number().await?;
        self.awaiting_answer = false;
        Ok(())
    }

    async fn send_framed(
        &mut self,
        request: &Message,
        source: &mut ContentSource,
    ) -> Result<(), DaemonError> {
        let protocol = self.peer.protocol;
        if protocol < ProtocolVersion::OLDEST_FOR_UPLOADS {
            return Err(DaemonError::Version { major: 1, minor: protocol.minor() });
        }
        if self.awaiting_answer {
            return Err(WireError::Abandoned.into());
        }
        self.awaiting_answer = true;
        self.stream.send(request).await?;
        while let Some(chunk) = source.recv().await {
            let chunk = chunk.map_err(DaemonError::Source)?;
            // An empty frame is the end.
            if !chunk.is_empty() {
                self.send_some(&(chunk.len() as u64).to_le_bytes()).await?;
                self.send_some(&chunk).await?;
            }
        }
        self.send_some(&0_u64.to_le_bytes()).await?;
        pass_over(&mut self.stream, protocol).await
    }

    /// Sends bytes, and reads the daemon's messages meanwhile: a daemon that cannot get rid of its messages takes
    /// no bytes any more.
    async fn send_some(&mut self, mut bytes: &[u8]) -> Result<(), DaemonError> {
        while self.stream.send_unless_interrupted(&mut bytes).await? {
            if pass_over_one(&mut self.stream, self.peer.protocol).await? {
                return Err(WireError::Unasked.into());
            }
        }
        Ok(())
    }
}

//! One connection to a Nix daemon, which answers one question after the other.

use tokio::io::{AsyncRead, AsyncWrite};

use super::error::DaemonError;
use super::handshake::{Peer, greet};
use super::stderr;
use super::wire::{Message, WireError, WireReader};

/// The operations that are used, by their number in the protocol.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    IsValidPath = 1,
    AddTempRoot = 11,
    CollectGarbage = 20,
    AddSignatures = 37,
    AddToStoreNar = 39,
    RegisterDrvOutput = 42,
    AddBuildLog = 45,
}

impl Operation {
    pub(super) fn request(self) -> Message {
        Message::default().number(self as u64)
    }
}

/// The path that an output of a derivation was built to. Paths are written in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltOutput {
    /// The resolved derivation.
    pub derivation: String,
    /// The name of the output: `out`, `dev`…
    pub output: String,
    /// The path that was produced.
    pub path: String,
    /// Signatures, each `name:base64`.
    pub signatures: Vec<String>,
}

/// A greeted connection.
///
/// It belongs to one process of the daemon, and temporary roots live exactly as long as it does.
/// When the future of a call is dropped before it is finished, the connection refuses all further
/// calls, because the answer that is still to come would be taken for the next one's.
#[derive(Debug)]
pub struct Connection<S> {
    pub(super) stream: WireReader<S>,
    pub(super) peer: Peer,
    pub(super) awaiting_answer: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Greets the daemon at the other end of `stream`.
    ///
    /// # Errors
    /// [`DaemonError::TurnedAway`] when it does not let us in, [`DaemonError::Version`] when no version is common, [`DaemonError::Wire`] when it is no Nix daemon.
    pub async fn open(stream: S) -> Result<Self, DaemonError> {
        let mut stream = WireReader::new(stream);
        let peer = match greet(&mut stream).await {
            // A daemon that does not let us in closes the connection without a word.
            Err(DaemonError::Wire(WireError::Closed)) => return Err(DaemonError::TurnedAway(None)),
            Err(DaemonError::Refused(why)) => return Err(DaemonError::TurnedAway(Some(why))),
            greeted => greeted?,
        };
        Ok(Self { stream, peer, awaiting_answer: false })
    }

    /// The version of the daemon, and whether it trusts us.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Keeps a store path (written in full) and its references from being collected until this
    /// connection ends. The path need not be valid.
    ///
    /// The answer can take as long as a running deletion of that path.
    ///
    /// # Errors
    /// [`DaemonError::Refused`] when the daemon does not want to; after any other error the connection is
    /// of no more use.
    pub async fn add_temp_root(&mut self, path: &str) -> Result<(), DaemonError> {
        let request = Operation::AddTempRoot.request().string(path);
        self.call(&request, async |answer| answer.number().await).await?;
        Ok(())
    }

    /// Whether a store path (written in full) is valid.
    ///
    /// # Errors
    /// As [`Self::add_temp_root`].
    pub async fn is_valid_path(&mut self, path: &str) -> Result<bool, DaemonError> {
        let request = Operation::IsValidPath.request().string(path);
        self.call(&request, async |answer| answer.boolean().await).await
    }

    /// Adds signatures, each `name:base64`, to a valid store path (written in full).
    ///
    /// # Errors
    /// As [`Self::add_temp_root`].
    pub async fn add_signatures(
        &mut self,
        path: &str,
        signatures: &[String],
    ) -> Result<(), DaemonError> {
        let request = Operation::AddSignatures.request().string(path).strings(signatures);
        self.call(&request, async |answer| answer.number().await).await?;
        Ok(())
    }

    /// Enters the realisation of an output, as the JSON that Nix 2.4 to 2.34 exchange.
    ///
    /// # Errors
    /// As [`Self::add_temp_root`]: among others, when the daemon has no content-addressed derivations.
    /// [`DaemonError::NotTaken`] by a daemon of Nix 2.35 or later.
    pub async fn register_realisation(&mut self, json: &str) -> Result<(), DaemonError> {
        if self.peer.takes_build_traces {
            return Err(DaemonError::NotTaken("realisations, but build traces, since Nix 2.35"));
        }
        let request = Operation::RegisterDrvOutput.request().string(json);
        self.call(&request, async |_| Ok(())).await
    }

    /// Enters the path that an output was built to, as Nix exchanges it since 2.35.
    ///
    /// # Errors
    /// As [`Self::register_realisation`]. [`DaemonError::NotTaken`] by a daemon before Nix 2.35.
    pub async fn register_build_trace(&mut self, built: &BuiltOutput) -> Result<(), DaemonError> {
        if !self.peer.takes_build_traces {
            return Err(DaemonError::NotTaken("build traces, which Nix has since 2.35"));
        }
        let request = Operation::RegisterDrvOutput
            .request()
            .string(&built.derivation)
            .string(&built.output)
            .string(&built.path)
            .strings(&built.signatures);
        self.call(&request, async |_| Ok(())).await
    }

    /// Waits until the daemon closes the idle connection, or breaks the protocol by speaking unasked.
    pub async fn disturbance(&mut self) -> WireError {
        self.stream.disturbance().await
    }

    /// Sends a request, passes over the messages before the answer, and reads the answer.
    pub(super) async fn call<T>(
        &mut self,
        request: &Message,
        answer: impl AsyncFnOnce(&mut WireReader<S>) -> Result<T, WireError>,
    ) -> Result<T, DaemonError> {
        if self.awaiting_answer {
            return Err(WireError::Abandoned.into());
        }
        self.awaiting_answer = true;
        self.stream.send(request).await?;
        let said = stderr::pass_over(&mut self.stream, self.peer.protocol).await;
        if let Err(error @ DaemonError::Refused(_)) = said {
            self.awaiting_answer = false;
            return Err(error);
        }
        said?;
        let answer = answer(&mut self.stream).await?;
        self.awaiting_answer = false;
        Ok(answer)
    }
}

//! The first words of a connection: who speaks which version.
//!
//! ```text
//! → 0x6e697863, our version           ← 0x6478696f, the daemon's version
//! 1.38:  → features                   ← features
//! → 0 (a CPU), 0 (reserved space)     both without meaning today
//! 1.33:                               ← the daemon's Nix version
//! 1.35:                               ← 0 not said, 1 trusted, 2 not trusted
//!                                     ← an empty stderr loop, or an error that refuses us
//! ```
//! A version is `major << 8 | minor`; both sides go on with the smaller one. Nix 2.0 to 2.3 speak
//! 1.21, 2.4 to 2.6 1.32, 2.7 1.33, 2.8 to 2.14 1.34, 2.15 to 2.19 and Lix 1.35, 2.20 to 2.23
//! 1.37, and from 2.24 on 1.38.
//!
//! Features change the encoding of later messages, and forks of Nix have their own. One is offered, which
//! changes orders about outputs of derivations and nothing else; all other messages keep the encoding that
//! all of them share.

use tokio::io::{AsyncRead, AsyncWrite};

use super::error::DaemonError;
use super::stderr;
use super::text::plain;
use super::version::ProtocolVersion;
use super::wire::{Message, WireError, WireReader};

/// Outputs are named by the path of their derivation, since Nix 2.35, and no longer by its hash.
const OUTPUTS_BY_PATH: &str = "realisation-with-path-not-hash";

const CLIENT_MAGIC: u64 = 0x6e69_7863;
const DAEMON_MAGIC: u64 = 0x6478_696f;

/// The version of a daemon, and whether it trusts us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The protocol both sides use.
    pub protocol: ProtocolVersion,
    /// The version of Nix, since 1.33 (Nix 2.7).
    pub nix_version: Option<String>,
    /// Whether we are in `trusted-users`, since 1.35 (Nix 2.15).
    pub trusted: Option<bool>,
    /// Whether it takes build traces, since Nix 2.35, and realisations no longer.
    pub takes_build_traces: bool,
}

/// Greets the daemon at the other end of `stream`.
pub(super) async fn greet<S>(stream: &mut WireReader<S>) -> Result<Peer, DaemonError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let hello = Message::default().number(CLIENT_MAGIC).number(ProtocolVersion::NEWEST.word());
    stream.send(&hello).await?;
    let magic = stream.number().await?;
    if magic != DAEMON_MAGIC {
        return Err(WireError::Unexpected { what: "greeting", value: magic }.into());
    }
    let protocol = ProtocolVersion::agree(stream.number().await?)?;

    let mut options = Message::default();
    if protocol.minor() >= 38 {
        options = options.strings(&[OUTPUTS_BY_PATH]);
    }
    stream.send(&options.number(0).number(0)).await?;
    let mut takes_build_traces = false;
    if protocol.minor() >= 38 {
        for _ in 0..stream.count().await? {
            takes_build_traces |= stream.string().await? == OUTPUTS_BY_PATH.as_bytes();
        }
    }
    let nix_version = match protocol.minor() {
        33.. => Some(plain(&stream.string().await?)),
        _ => None,
    };
    let trusted = match protocol.minor() {
        35.. => trust(stream.number().await?)?,
        _ => None,
    };
    stderr::pass_over(stream, protocol).await?;
    Ok(Peer { protocol, nix_version, trusted, takes_build_traces })
}

fn trust(word: u64) -> Result<Option<bool>, WireError> {
    match word {
        0 => Ok(None),
        1 => Ok(Some(true)),
        2 => Ok(Some(false)),
        value => Err(WireError::Unexpected { what: "trust", value }),
    }
}

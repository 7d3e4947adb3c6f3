//! The messages of the daemon before each answer: log lines, activities, and at last either "done" or an
//! error. (In Nix's code these go to the terminal, hence the name.)

use tokio::io::AsyncRead;

use super::error::DaemonError;
use super::text::plain;
use super::version::ProtocolVersion;
use super::wire::{WireError, WireReader};

const NEXT: u64 = 0x6f6c_6d67;
const READ: u64 = 0x6461_7461;
const WRITE: u64 = 0x6461_7416;
const START_ACTIVITY: u64 = 0x5354_5254;
const STOP_ACTIVITY: u64 = 0x5354_4f50;
const RESULT: u64 = 0x5253_4c54;
const ERROR: u64 = 0x6378_7470;
const LAST: u64 = 0x616c_7473;

/// Reads up to the end of the messages before an answer.
///
/// # Errors
/// [`DaemonError::Refused`] when the daemon ends them with an error. Any other error makes the
/// connection useless.
pub(super) async fn pass_over<R: AsyncRead + Unpin>(
    stream: &mut WireReader<R>,
    protocol: ProtocolVersion,
) -> Result<(), DaemonError> {
    while !pass_over_one(stream, protocol).await? {}
    Ok(())
}

/// Reads one message. Whether it was the last one.
///
/// # Errors
/// As [`pass_over`].
pub(super) async fn pass_over_one<R: AsyncRead + Unpin>(
    stream: &mut WireReader<R>,
    protocol: ProtocolVersion,
) -> Result<bool, DaemonError> {
    match stream.number().await? {
        LAST => return Ok(true),
        ERROR => return Err(DaemonError::Refused(error(stream, protocol).await?)),
        NEXT | WRITE => stream.skip_string().await?,
        START_ACTIVITY => {
            // Number, level, type; text; fields; parent.
            for _ in 0..3 {
                stream.number().await?;
            }
            stream.skip_string().await?;
            skip_fields(stream).await?;
            stream.number().await?;
        }
        STOP_ACTIVITY => {
            stream.number().await?;
        }
        RESULT => {
            // Number, type; fields.
            stream.number().await?;
            stream.number().await?;
            skip_fields(stream).await?;
        }
        // READ asks for data, as daemons before Nix 2.4 did. To those nothing is uploaded.
        value => {
            let what = if value == READ { "request for data" } else { "message" };
            return Err(WireError::Unexpected { what, value }.into());
        }
    }
    Ok(false)
}

async fn skip_fields<R: AsyncRead + Unpin>(stream: &mut WireReader<R>) -> Result<(), WireError> {
    for _ in 0..stream.count().await? {
        match stream.number().await? {
            0 => {
                stream.number().await?;
            }
            1 => stream.skip_string().await?,
            value => {
                return Err(WireError::Unexpected { what: "type of a field", value });
            }
        }
    }
    Ok(())
}

/// Reads an error and keeps its text. Since 1.26 (Nix 2.4) it has a structure around it.
async fn error<R: AsyncRead + Unpin>(
    stream: &mut WireReader<R>,
    protocol: ProtocolVersion,
) -> Result<String, WireError> {
    if protocol.minor() < 26 {
        let text = stream.string().await?;
        let _exit_status = stream.number().await?;
        return Ok(plain(&text));
    }
    stream.skip_string().await?; // always "Error"
    let _level = stream.number().await?;
    stream.skip_string().await?; // a name without use
    let text = stream.string().await?;
    no_position(stream).await?;
    for _ in 0..stream.count().await? {
        no_position(stream).await?;
        stream.skip_string().await?;
    }
    Ok(plain(&text))
}

/// The place in a Nix expression that an error belongs to: never sent, and without an encoding.
async fn no_position<R: AsyncRead + Unpin>(stream: &mut WireReader<R>) -> Result<(), WireError> {
    match stream.number().await? {
        0 => Ok(()),
        value => Err(WireError::Unexpected { what: "position of an error", value }),
    }
}

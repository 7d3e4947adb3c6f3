//! A NAR on its way in, checked against the announcement of its client.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rns_cache::{CacheError, NarUpload, PublishError, VerifiedNar, async_trait};
use rns_formats::{Compression, NarName, Sha256Digest};

use tokio::task::spawn_blocking;
use zstd::zstd_safe::find_frame_compressed_size;

use crate::{
    DecoderMemory, NarCheck, NarFeed, NarRejection, is_supported,
    pipe::check_whole,
    window::{HEADER_BYTES, of_zstd_frame},
};

/// The bytes that compression may add to a NAR that cannot be compressed.
const COMPRESSION_MARGIN: u64 = 16 << 20;

/// Files up to this size are checked when all of them is there, in bytes: handing over each chunk to other threads would cost
/// more than the check.
const MAX_SMALL_BYTES: u64 = 128 << 10;

/// NARs up to this size, decompressed, are checked in a moment, in bytes.
const MAX_QUICK_NAR_BYTES: u64 = 1 << 20;

/// The announcement of a NAR by its client.
#[derive(Clone, Debug)]
pub struct AnnouncedNar {
    url: String,
    compression: Compression,
    file_hash: Sha256Digest,
    length: Option<u64>,
    max_nar_size: u64,
}

impl AnnouncedNar {
    /// Looks at the name and, where the client says it, the length of the file in bytes.
    ///
    /// # Errors
    /// `Malformed` when nothing can be uploaded under this name, `TooLarge` beyond `max_nar_size` bytes.
    pub fn parse(
        name: &NarName,
        length: Option<u64>,
        max_nar_size: u64,
    ) -> Result<Self, PublishError> {
        let malformed =
            |why: &str| PublishError::Malformed { object: name.to_string(), why: why.into() };
        let (None, Some(file_hash)) = (name.hash_part, name.nar_hash) else {
            return Err(malformed("an uploaded NAR is named by the hash of its file"));
        };
        if !is_supported(name.compression) {
            return Err(malformed(
                "this compression is not accepted; use zstd, xz, bzip2, gzip, br or none",
            ));
        }
        let url = name.canonical_url();
        if length.is_some_and(|length| length > max_nar_size) {
            return Err(PublishError::TooLarge { object: url, limit: max_nar_size });
        }
        Ok(Self { url, compression: name.compression, file_hash, length, max_nar_size })
    }

    /// Begins to check the bytes. To be called where tasks can be spawned.
    #[must_use]
    pub fn begin(self, memory: Arc<DecoderMemory>) -> IncomingNar {
        let check = match self.length {
            Some(length) if length <= MAX_SMALL_BYTES => CheckMode::Whole(BytesMut::new(), memory),
            _ => CheckMode::Streaming(NarFeed::start(self.compression, self.max_nar_size, memory)),
        };
        IncomingNar { announced: self, check, received: 0 }
    }
}

/// A NAR that is checked while it comes in. Dropped before [`Self::finish`], it ends the check.
pub struct IncomingNar {
    announced: AnnouncedNar,
    check: CheckMode,
    received: u64,
}

/// How a file is checked.
enum CheckMode {
    /// When all of it is there.
    Whole(BytesMut, Arc<DecoderMemory>),
    /// While it comes.
    Streaming(NarFeed),
}

impl IncomingNar {
    /// Checks the next bytes, which may be stored then; waits while the check is behind.
    ///
    /// # Errors
    /// As soon as the file contradicts its name.
    pub async fn take(&mut self, chunk: Bytes) -> Result<(), PublishError> {
        self.received += chunk.len() as u64;
        if self.announced.length.is_some_and(|length| self.received > length) {
            return Err(self.wrong_length());
        }
        // Compressed data that unpacks to nothing would never end otherwise.
        let limit = self.announced.max_nar_size;
        if self.received > limit.saturating_add(COMPRESSION_MARGIN) {
            return Err(PublishError::TooLarge { object: self.announced.url.clone(), limit });
        }
        match &mut self.check {
            CheckMode::Whole(file, _) => file.extend_from_slice(&chunk),
            CheckMode::Streaming(feed) => {
                let pushed = feed.push(chunk).await;
                pushed.map_err(|rejection| refused(&self.announced.url, rejection))?;
            }
        }
        Ok(())
    }

    /// The result, after the last bytes.
    ///
    /// # Errors
    /// When the file contradicts its name, or is no NAR in canonical form.
    pub async fn finish(self) -> Result<VerifiedNar, PublishError> {
        match self.received()? {
            ReceivedNar::Whole(nar) => nar.check_on_pool().await,
            ReceivedNar::Streamed(nar) => nar.finish().await,
        }
    }

    /// The NAR after the last bytes: one whose check has been going on, or has not begun.
    ///
    /// # Errors
    /// When it has another length than was announced.
    pub fn received(self) -> Result<ReceivedNar, PublishError> {
        if self.announced.length.is_some_and(|length| self.received != length) {
            return Err(self.wrong_length());
        }
        let Self { announced, check, .. } = self;
        Ok(match check {
            CheckMode::Whole(file, memory) => {
                ReceivedNar::Whole(WholeNar { announced, file: file.freeze(), memory })
            }
            CheckMode::Streaming(feed) => ReceivedNar::Streamed(StreamedNar { announced, feed }),
        })
    }

    fn wrong_length(&self) -> PublishError {
        PublishError::Mismatch {
            object: self.announced.url.clone(),
            expected: format!("{} bytes", self.announced.length.unwrap_or_default()),
            found: format!("{} bytes or more", self.received),
        }
    }
}

/// A NAR of which all bytes were received.
pub enum ReceivedNar {
    /// A small one, to be checked at once.
    Whole(WholeNar),
    /// A larger one, of which most is checked.
    Streamed(StreamedNar),
}

/// A small NAR of which all bytes are there.
pub struct WholeNar {
    announced: AnnouncedNar,
    file: Bytes,
    memory: Arc<DecoderMemory>,
}

impl WholeNar {
    /// Checks it. Blocks.
    ///
    /// # Errors
    /// When the file contradicts its name, or is no NAR in canonical form.
    pub fn check(self) -> Result<VerifiedNar, PublishError> {
        let Self { announced, file, memory } = self;
        let check = check_whole(&file, announced.compression, announced.max_nar_size, &memory);
        announced.judge(check)
    }

    /// Checks it, if that takes a moment and nothing has to be waited for.
    ///
    /// # Errors
    /// As [`Self::check`], inside.
    #[must_use]
    pub fn try_check(&self) -> Option<Result<VerifiedNar, PublishError>> {
        let needed = self.needed_memory()?;
        let _share = self.memory.try_take(needed)?;
        let memory = DecoderMemory::new(needed);
        let (compression, most) = (self.announced.compression, self.announced.max_nar_size);
        let limit = most.min(MAX_QUICK_NAR_BYTES);
        match check_whole(&self.file, compression, limit, &memory) {
            Err(NarRejection::TooLarge { .. }) if limit < most => None,
            check => Some(self.announced.judge(check)),
        }
    }

    /// The memory that its decoder needs from its first to its last byte. `None`: that is known while it is decompressed.
    fn needed_memory(&self) -> Option<u64> {
        match self.announced.compression {
            Compression::None => Some(0),
            Compression::Zstd => {
                let is_one_frame = find_frame_compressed_size(&self.file) == Ok(self.file.len());
                let header = self.file.get(..HEADER_BYTES).unwrap_or(&self.file);
                is_one_frame.then(|| of_zstd_frame(header))
            }
            _ => None,
        }
    }

    /// Checks it on a thread of the blocking pool.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub async fn check_on_pool(self) -> Result<VerifiedNar, PublishError> {
        let checked = spawn_blocking(move || self.check()).await;
        checked.map_err(|_| CacheError::ShuttingDown)?
    }
}

/// A NAR that was checked while it came.
pub struct StreamedNar {
    announced: AnnouncedNar,
    feed: NarFeed,
}

impl StreamedNar {
    /// Waits for the end of the check.
    ///
    /// # Errors
    /// When the file contradicts its name, or is no NAR in canonical form.
    pub async fn finish(self) -> Result<VerifiedNar, PublishError> {
        self.announced.judge(self.feed.finish().await)
    }
}

impl AnnouncedNar {
    /// Compares the check of a file with its name.
    fn judge(&self, check: Result<NarCheck, NarRejection>) -> Result<VerifiedNar, PublishError> {
        let check = check.map_err(|rejection| refused(&self.url, rejection))?;
        if check.file.file_hash != self.file_hash {
            return Err(PublishError::Mismatch {
                object: self.url.clone(),
                expected: format!("the SHA-256 {}", self.file_hash.to_nix32()),
                found: format!("the SHA-256 {}", check.file.file_hash.to_nix32()),
            });
        }
        Ok(check.verified())
    }
}

/// A NAR that is there already: its bytes are taken and dropped, since the client sends them all the same.
pub struct KnownNar(pub VerifiedNar);

#[async_trait]
impl NarUpload for KnownNar {
    async fn write(&mut self, _: Bytes) -> Result<(), PublishError> {
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<VerifiedNar, PublishError> {
        Ok(self.0)
    }
}

fn refused(url: &str, rejection: NarRejection) -> PublishError {
    let object = url.to_owned();
    match rejection {
        NarRejection::TooLarge { limit } => PublishError::TooLarge { object, limit },
        other => PublishError::Malformed { object, why: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::nar_of;

    async fn received(
        file: &[u8],
        compression: Compression,
        memory: &Arc<DecoderMemory>,
    ) -> WholeNar {
        let name = NarName::of_file(Sha256Digest::of(file), compression);
        let announced = AnnouncedNar::parse(&name, Some(file.len() as u64), 1 << 30).unwrap();
        let mut incoming = announced.begin(Arc::clone(memory));
        incoming.take(Bytes::copy_from_slice(file)).await.unwrap();
        match incoming.received().unwrap() {
            ReceivedNar::Whole(nar) => nar,
            ReceivedNar::Streamed(_) => panic!("it is small"),
        }
    }

    #[tokio::test]
    async fn a_check_at_once_takes_a_moment_and_waits_for_nothing() {
        let memory = DecoderMemory::new(8 << 20);
        let (small, large) = (nar_of(&[b'x'; 100]), nar_of(&vec![b'x'; 2 << 20]));
        let packed = |nar: &[u8]| zstd::encode_all(nar, 3).unwrap();
        let (frame, frames) = (packed(&small), [packed(&small[..8]), packed(&small[8..])].concat());
        let cases = [
            (small.clone(), Compression::None, true),
            (frame.clone(), Compression::Zstd, true),
            // Its size, or its memory, is known while it is decompressed.
            (packed(&large), Compression::Zstd, false),
            (frames, Compression::Zstd, false),
            (frame.clone(), Compression::Xz, false),
        ];
        for (file, compression, is_quick) in cases {
            let nar = received(&file, compression, &memory).await;
            let checked = nar.try_check();
            assert_eq!(checked.is_some(), is_quick, "{compression}, {} bytes", file.len());
            assert!(checked.is_none_or(|checked| checked.is_ok()));
        }
        let wrong = received(&frame[..frame.len() - 1], Compression::Zstd, &memory).await;
        assert!(wrong.try_check().is_none_or(|checked| checked.is_err()));

        let share = memory.take(8 << 20);
        let nar = received(&frame, Compression::Zstd, &memory).await;
        assert!(nar.try_check().is_none(), "others have the memory");
        drop(share);
        assert!(nar.try_check().unwrap().is_ok());
    }
}

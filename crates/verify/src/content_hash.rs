//! Hashes of contents, as content addresses have them.

use std::{io::Read, sync::Arc};

use rns_formats::{Compression, Hash, HashAlgorithm, HashPart, NarEvent, NarLimits, NarReader};
use sha2::digest::DynDigest;

use crate::{Decoder, DecoderMemory, NarRejection};

/// The bytes hashed at a time.
const HASH_BUFFER_BYTES: usize = 64 << 10;

/// Characters of a hash part.
const HASH_PART_LEN: usize = 32;

/// References of a path to itself that are noted: a NAR can be made of nothing else.
const MAX_POSITIONS: usize = 1 << 20;

/// Which bytes of a NAR are hashed, and how.
#[derive(Clone, Copy, Debug)]
pub enum ContentHash {
    /// Those of the one file that the NAR consists of.
    File {
        /// The algorithm.
        algorithm: HashAlgorithm,
    },
    /// The NAR itself.
    Nar {
        /// The algorithm.
        algorithm: HashAlgorithm,
        /// The path's own hash part, where it refers to itself: it is hashed as zeroes.
        itself: Option<HashPart>,
    },
}

/// Computes a content hash of the NAR in a file, in every form that clients have written. Blocks.
///
/// # Errors
/// When it is no NAR of this form, or the error of `input`.
pub fn hash_contents(
    input: impl Read,
    compression: Compression,
    wanted: ContentHash,
    memory: &Arc<DecoderMemory>,
) -> Result<Vec<Hash>, NarRejection> {
    let decoder = Decoder::of_nar(input, compression, memory)?;
    match wanted {
        ContentHash::File { algorithm } => {
            let mut digest = digest(algorithm)?;
            hash_file(decoder, &mut *digest)?;
            Ok(finished(algorithm, digest).into_iter().collect())
        }
        ContentHash::Nar { algorithm, itself } => hash_nar(decoder, algorithm, itself),
    }
}

fn digest(algorithm: HashAlgorithm) -> Result<Box<dyn DynDigest>, NarRejection> {
    Ok(match algorithm {
        HashAlgorithm::Md5 => Box::new(md5::Md5::default()),
        HashAlgorithm::Sha1 => Box::new(sha1::Sha1::default()),
        HashAlgorithm::Sha256 => Box::new(sha2::Sha256::default()),
        HashAlgorithm::Sha512 => Box::new(sha2::Sha512::default()),
        other => {
            let why = format!("content addresses with {other} are not accepted");
            return Err(NarRejection::Decompression(std::io::Error::other(why)));
        }
    })
}

fn finished(algorithm: HashAlgorithm, digest: Box<dyn DynDigest>) -> Option<Hash> {
    Hash::from_bytes(algorithm, &digest.finalize())
}

fn hash_file(input: impl Read, digest: &mut dyn DynDigest) -> Result<(), NarRejection> {
    let mut reader = NarReader::new(input, NarLimits::default());
    let is_file = matches!(reader.next_event()?, Some(NarEvent::Regular { .. }));
    if !is_file {
        return Err(NarRejection::Decompression(std::io::Error::other("it is no single file")));
    }
    let mut buffer = vec![0; HASH_BUFFER_BYTES];
    loop {
        let count = reader.read_contents(&mut buffer)?;
        if count == 0 {
            break;
        }
        digest.update(buffer.get(..count).unwrap_or_default());
    }
    while reader.next_event()?.is_some() {}
    Ok(())
}

/// With a reference to itself there are two forms: Nix 2.17 to 2.34 leave out the positions that others append.
fn hash_nar(
    mut input: impl Read,
    algorithm: HashAlgorithm,
    itself: Option<HashPart>,
) -> Result<Vec<Hash>, NarRejection> {
    let mut digest = digest(algorithm)?;
    let mut blanked = Blanked::new(itself);
    let mut buffer = vec![0; HASH_BUFFER_BYTES];
    loop {
        let count = input.read(&mut buffer).map_err(NarRejection::of_read)?;
        if count == 0 {
            break;
        }
        blanked.take(buffer.get(..count).unwrap_or_default(), &mut *digest);
        if blanked.positions.len() > MAX_POSITIONS {
            let why = "the path refers to itself too often";
            return Err(NarRejection::Decompression(std::io::Error::other(why)));
        }
    }
    blanked.rest(&mut *digest);
    let mut hashes = Vec::new();
    if !blanked.positions.is_empty() {
        let mut with_positions = digest.box_clone();
        for position in &blanked.positions {
            with_positions.update(format!("|{position}").as_bytes());
        }
        hashes.extend(finished(algorithm, with_positions));
    }
    hashes.extend(finished(algorithm, digest));
    Ok(hashes)
}

/// Blanks a text out of a stream of bytes, wherever chunks begin and end.
struct Blanked {
    text: Option<[u8; HASH_PART_LEN]>,
    /// Bytes that may be the beginning of the text.
    pending: Vec<u8>,
    /// Bytes that were handed on.
    offset: u64,
    /// Where the text was.
    positions: Vec<u64>,
}

impl Blanked {
    fn new(text: Option<HashPart>) -> Self {
        let text = text.and_then(|text| text.to_string().into_bytes().try_into().ok());
        Self { text, pending: Vec::new(), offset: 0, positions: Vec::new() }
    }

    fn take(&mut self, bytes: &[u8], digest: &mut dyn DynDigest) {
        let Some(text) = self.text else { return digest.update(bytes) };
        self.pending.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(window) = self.pending.get(at..at + HASH_PART_LEN) {
            if window == text {
                self.positions.push(self.offset + at as u64);
                if let Some(found) = self.pending.get_mut(at..at + HASH_PART_LEN) {
                    found.fill(0);
                }
                at += HASH_PART_LEN;
            } else {
                at += 1;
            }
        }
        digest.update(self.pending.get(..at).unwrap_or_default());
        self.pending.drain(..at);
        self.offset += at as u64;
    }

    fn rest(&mut self, digest: &mut dyn DynDigest) {
        digest.update(&self.pending);
        self.pending.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_blanked_wherever_chunks_end() {
        let text = HashPart::parse("0123456789abcdfghijklmnpqrsvwxyz").unwrap();
        let contents = format!("a{text}bc{text}{text}d");
        let blank = "\0".repeat(HASH_PART_LEN);
        let expected = contents.replace(&text.to_string(), &blank);
        for size in [1, 7, 31, 32, 33, 200] {
            let mut digest = digest(HashAlgorithm::Sha256).unwrap();
            let mut blanked = Blanked::new(Some(text));
            for chunk in contents.as_bytes().chunks(size) {
                blanked.take(chunk, &mut *digest);
            }
            blanked.rest(&mut *digest);
            assert_eq!(blanked.positions, [1, 35, 67], "{size}");
            let found = finished(HashAlgorithm::Sha256, digest).unwrap();
            assert_eq!(found, rns_formats::Sha256Digest::of(expected.as_bytes()).into());
        }
    }
}

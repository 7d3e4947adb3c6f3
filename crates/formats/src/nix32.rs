//! Nix's base-32: the spelling of hashes in store paths and narinfos.
//!
//! The alphabet is the digits and lower-case letters without `e`, `o`, `t` and `u`. The bytes
//! are read as one little-endian number whose five-bit digits are written most significant
//! first, so the text begins with the *last* byte. There is no padding.

use thiserror::Error;

const ALPHABET: [u8; 32] = *b"0123456789abcdfghijklmnpqrsvwxyz";
const NOT_A_DIGIT: u8 = 0xff;
const VALUES: [u8; 256] = values();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time: an index out of range would not build"
)]
const fn values() -> [u8; 256] {
    let mut table = [NOT_A_DIGIT; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        table[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    table
}

/// Why a text is not nix32.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Nix32Error {
    /// A byte outside the alphabet.
    #[error("byte {byte:#04x} at position {position} is not a nix32 digit")]
    InvalidDigit {
        /// The offending byte.
        byte: u8,
        /// Its offset in the text.
        position: usize,
    },
    /// No byte string is spelled with this many digits, or not the expected one.
    #[error("{digits} digits do not spell a whole number of bytes of the expected length")]
    InvalidLength {
        /// How many digits the text has.
        digits: usize,
    },
    /// The leading digit holds bits beyond the last byte, so another text spells these bytes.
    #[error("the first digit is too large for the length")]
    ExcessBits,
}

/// How many digits spell `bytes` bytes.
#[must_use]
pub const fn encoded_len(bytes: usize) -> usize {
    (bytes * 8).div_ceil(5)
}

/// Whether `byte` is in the alphabet.
#[must_use]
pub fn is_digit(byte: u8) -> bool {
    value(byte) != NOT_A_DIGIT
}

/// Spells `bytes`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(encoded_len(bytes.len()));
    push(&mut text, bytes);
    text
}

/// Appends the spelling of `bytes` to `text`.
pub fn push(text: &mut String, bytes: &[u8]) {
    // Long enough for every hash Nix knows; longer input goes through the heap.
    let mut stack = [0; encoded_len(64)];
    let len = encoded_len(bytes.len());
    if let Some(digits) = stack.get_mut(..len) {
        encode_into(bytes, digits);
        text.extend(str::from_utf8(digits));
    } else {
        let mut digits = vec![0; len];
        encode_into(bytes, &mut digits);
        text.extend(str::from_utf8(&digits));
    }
}

/// Fills `digits`, which must be [`encoded_len`] long, from its end: each five bytes are eight
/// digits.
fn encode_into(bytes: &[u8], digits: &mut [u8]) {
    debug_assert_eq!(digits.len(), encoded_len(bytes.len()));
    let (groups, last_bytes) = bytes.as_chunks::<5>();
    let (first_digits, slots) = digits.as_rchunks_mut::<8>();
    for (group, slot) in groups.iter().zip(slots.iter_mut().rev()) {
        encode_group(group, slot);
    }
    encode_group(last_bytes, first_digits);
}

#[inline]
fn encode_group(bytes: &[u8], digits: &mut [u8]) {
    let mut number = bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte));
    for digit in digits.iter_mut().rev() {
        *digit = digit_of(number);
        number >>= 5;
    }
}

/// Reads a spelling of any length.
///
/// # Errors
/// When a digit is not in the alphabet, or the text is not the one spelling of its bytes.
pub fn decode(text: &str) -> Result<Vec<u8>, Nix32Error> {
    let len = text.len() / 8 * 5 + text.len() % 8 * 5 / 8;
    let mut bytes = vec![0; len];
    decode_into(text.as_bytes(), &mut bytes)?;
    Ok(bytes)
}

/// Reads a spelling of exactly `N` bytes.
///
/// # Errors
/// As [`decode`], and when the text spells another number of bytes.
pub fn decode_array<const N: usize>(text: &str) -> Result<[u8; N], Nix32Error> {
    let mut bytes = [0; N];
    decode_into(text.as_bytes(), &mut bytes)?;
    Ok(bytes)
}

fn decode_into(text: &[u8], bytes: &mut [u8]) -> Result<(), Nix32Error> {
    if text.len() != encoded_len(bytes.len()) {
        return Err(Nix32Error::InvalidLength { digits: text.len() });
    }
    let (groups, last_bytes) = bytes.as_chunks_mut::<5>();
    let (first_digits, slots) = text.as_rchunks::<8>();
    let mut invalid = 0;
    for (group, slot) in groups.iter_mut().zip(slots.iter().rev()) {
        decode_group(slot, group, &mut invalid);
    }
    let excess = decode_group(first_digits, last_bytes, &mut invalid);
    if invalid != 0
        && let Some((position, &byte)) = text.iter().enumerate().find(|(_, byte)| !is_digit(**byte))
    {
        return Err(Nix32Error::InvalidDigit { byte, position });
    }
    if excess == 0 { Ok(()) } else { Err(Nix32Error::ExcessBits) }
}

/// Fills `bytes` and returns the rest of the number; digits that are none set the highest bit
/// of `invalid`, which no value has.
#[inline]
fn decode_group(digits: &[u8], bytes: &mut [u8], invalid: &mut u8) -> u64 {
    let mut number = 0;
    for &digit in digits {
        let value = value(digit);
        *invalid |= value & 0x80;
        number = number << 5 | u64::from(value & 31);
    }
    for byte in bytes {
        *byte = number as u8;
        number >>= 8;
    }
    number
}

fn value(byte: u8) -> u8 {
    VALUES.get(usize::from(byte)).copied().unwrap_or(NOT_A_DIGIT)
}

fn digit_of(number: u64) -> u8 {
    ALPHABET.get((number & 31) as usize).copied().unwrap_or(NOT_A_DIGIT)
}

//! How much memory the next part of compressed data needs, by its first bytes.

/// Bytes that are looked at: enough for every header below.
pub(crate) const HEADER_BYTES: usize = 96;

/// The memory of a zstd decoder beside its window, in bytes.
const ZSTD_OVERHEAD: u64 = 512 << 10;

/// The memory of an xz decoder beside its dictionary, in bytes.
const XZ_OVERHEAD: u64 = 256 << 10;

/// Memory that a frame of Zstandard needs. Data that is no frame needs none: the decoder refuses it.
pub(crate) fn of_zstd_frame(header: &[u8]) -> u64 {
    window(header).unwrap_or(0).saturating_add(ZSTD_OVERHEAD)
}

fn window(header: &[u8]) -> Option<u64> {
    let (magic, rest) = header.split_at_checked(4)?;
    if magic != 0xfd2f_b528_u32.to_le_bytes() {
        return None;
    }
    let (descriptor, rest) = rest.split_first()?;
    let is_single_segment = descriptor & 0x20 != 0;
    let (window, rest) = if is_single_segment {
        (u64::MAX, rest)
    } else {
        let (window, rest) = rest.split_first()?;
        let base = 1_u64 << (10 + u32::from(window >> 3));
        (base + base / 8 * u64::from(window & 7), rest)
    };
    let dictionary = match descriptor & 3 {
        3 => 4,
        bytes => usize::from(bytes),
    };
    let size = match (descriptor >> 6, is_single_segment) {
        (0, true) => 1,
        (0, false) => 0,
        (flag, _) => 1_usize << flag,
    };
    // A window that is larger than the contents is not filled.
    let contents = match rest.get(dictionary..dictionary + size) {
        Some(bytes) if size > 0 => {
            let mut number = [0; 8];
            number.get_mut(..size)?.copy_from_slice(bytes);
            u64::from_le_bytes(number) + if size == 2 { 256 } else { 0 }
        }
        _ => u64::MAX,
    };
    Some(window.min(contents))
}

/// Memory that a stream of xz needs, by its first block.
pub(crate) fn of_xz_stream(header: &[u8]) -> u64 {
    dictionary(header).unwrap_or(0).saturating_add(XZ_OVERHEAD)
}

fn dictionary(header: &[u8]) -> Option<u64> {
    /// Magic, flags and checksum.
    const STREAM_HEADER_BYTES: usize = 12;
    let mut block = header.get(STREAM_HEADER_BYTES..)?.iter().copied();
    let number = |block: &mut dyn Iterator<Item = u8>| {
        let mut value = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = block.next()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    };
    // Zero is where a block would say how long its header is: there is no block.
    block.next().filter(|length| *length != 0)?;
    let flags = block.next()?;
    for present in [0x40, 0x80] {
        if flags & present != 0 {
            number(&mut block)?;
        }
    }
    for _ in 0..=flags & 3 {
        /// The filter that has a dictionary.
        const LZMA2: u64 = 0x21;
        let id = number(&mut block)?;
        let size = number(&mut block)?;
        if id == LZMA2 {
            let bits = u32::from(block.next()? & 0x3f);
            return Some(if bits >= 40 {
                u64::MAX
            } else {
                u64::from(2 | bits & 1) << (bits / 2 + 11)
            });
        }
        for _ in 0..size {
            block.next()?;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_window_of_zstd_is_what_was_asked_for_or_what_there_is() {
        let packed = |window: u32, size: Option<u64>| {
            let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
            encoder.window_log(window).unwrap();
            encoder.set_pledged_src_size(size).unwrap();
            encoder.write_all(&[7; 100_000]).unwrap();
            encoder.finish().unwrap()
        };
        assert_eq!(of_zstd_frame(&packed(20, None)), (1 << 20) + ZSTD_OVERHEAD);
        assert_eq!(of_zstd_frame(&packed(27, None)), (128 << 20) + ZSTD_OVERHEAD);
        assert!(of_zstd_frame(&packed(27, Some(100_000))) <= 100_000 + ZSTD_OVERHEAD);
        assert_eq!(of_zstd_frame(b"\x28\xb5"), ZSTD_OVERHEAD);
        assert_eq!(of_zstd_frame(b"no frame"), ZSTD_OVERHEAD);
    }

    #[test]
    fn the_dictionary_of_xz_is_that_of_its_level() {
        for (level, dictionary) in [(0, 256 << 10), (1, 1 << 20), (6, 8 << 20), (9, 64 << 20)] {
            let mut encoder = xz2::write::XzEncoder::new(Vec::new(), level);
            encoder.write_all(&[7; 1000]).unwrap();
            let packed = encoder.finish().unwrap();
            assert_eq!(of_xz_stream(&packed), dictionary + XZ_OVERHEAD, "level {level}");
        }
        assert_eq!(of_xz_stream(b"\xfd7zXZ"), XZ_OVERHEAD);
    }
}

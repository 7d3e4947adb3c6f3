//! Bytes that compress about as well as a real store: words of a small vocabulary, and noise.

/// A source of bytes that depend on its seed alone.
pub(crate) struct Contents {
    state: u64,
    words: Vec<Vec<u8>>,
}

/// How many bytes are words, then how many are noise: zstd makes about a third of both.
const WORDS: usize = 1500;
const NOISE: usize = 300;

impl Contents {
    pub(crate) fn new(seed: u64) -> Self {
        let mut own = Self { state: 0x9e37_79b9_7f4a_7c15, words: Vec::new() };
        for _ in 0..4096 {
            let len = 3 + own.next() as usize % 9;
            let word = (0..len).map(|_| b'a' + (own.next() % 26) as u8).chain([b' ']).collect();
            own.words.push(word);
        }
        own.state ^= (seed + 1).wrapping_mul(0xff51_afd7_ed55_8ccd);
        own
    }

    /// The next number of an xorshift generator.
    pub(crate) fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// The next `len` bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + WORDS + NOISE);
        while bytes.len() < len {
            let end = bytes.len() + WORDS;
            while bytes.len() < end {
                // Squaring prefers the first words, as texts and programs do.
                let uniform = self.next() % 4096;
                bytes.extend_from_slice(&self.words[(uniform * uniform / 4096) as usize]);
            }
            for _ in 0..NOISE / 5 {
                bytes.extend_from_slice(&self.next().to_le_bytes()[..5]);
            }
        }
        bytes.truncate(len);
        bytes
    }
}

//! The bytes between the file contents: strings, padding and the fixed frames around a node.

/// First string of every archive.
pub(super) const MAGIC: &[u8] = b"nix-archive-1";

/// Number of zero bytes that follow `len` bytes of a string or of file contents.
pub(super) const fn padding(len: u64) -> usize {
    // At most 7, so the cast keeps the value.
    ((8 - len % 8) % 8) as usize
}

/// Bytes a string of `len` bytes takes: length word, bytes, padding. `None` when that does not fit
/// a `usize`.
pub(super) fn encoded_len(len: usize) -> Option<usize> {
    len.checked_next_multiple_of(8)?.checked_add(8)
}

/// Appends one string.
pub(super) fn push_string(out: &mut Vec<u8>, string: &[u8]) {
    let len = string.len() as u64;
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(string);
    push_padding(out, len);
}

/// Appends everything before the contents of a regular file, the length word included.
pub(super) fn push_regular_head(out: &mut Vec<u8>, executable: bool, size: u64) {
    push_strings(out, &[b"(", b"type", b"regular"]);
    if executable {
        push_strings(out, &[b"executable", b""]);
    }
    push_string(out, b"contents");
    out.extend_from_slice(&size.to_le_bytes());
}

/// Appends everything after the contents of a regular file of `size` bytes.
pub(super) fn push_regular_tail(out: &mut Vec<u8>, size: u64) {
    push_padding(out, size);
    push_string(out, b")");
}

/// Appends a whole symbolic link and returns where in `out` its target begins.
pub(super) fn push_symlink(out: &mut Vec<u8>, target: &[u8]) -> usize {
    push_strings(out, &[b"(", b"type", b"symlink", b"target"]);
    let start = out.len() + 8;
    push_strings(out, &[target, b")"]);
    start
}

/// Appends everything before the first entry of a directory.
pub(super) fn push_directory_head(out: &mut Vec<u8>) {
    push_strings(out, &[b"(", b"type", b"directory"]);
}

/// Appends the end of a directory, or that of an entry: they look alike.
pub(super) fn push_close(out: &mut Vec<u8>) {
    push_string(out, b")");
}

/// Appends everything before the node of an entry and returns where in `out` its name begins.
pub(super) fn push_entry_head(out: &mut Vec<u8>, name: &[u8]) -> usize {
    push_strings(out, &[b"entry", b"(", b"name"]);
    let start = out.len() + 8;
    push_strings(out, &[name, b"node"]);
    start
}

fn push_strings(out: &mut Vec<u8>, strings: &[&[u8]]) {
    for string in strings {
        push_string(out, string);
    }
}

fn push_padding(out: &mut Vec<u8>, len: u64) {
    out.resize(out.len() + padding(len), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_padded_to_words() {
        for (string, want) in [
            (&b""[..], &b"\0\0\0\0\0\0\0\0"[..]),
            (b"(", b"\x01\0\0\0\0\0\0\0(\0\0\0\0\0\0\0"),
            (b"12345678", b"\x08\0\0\0\0\0\0\x0012345678"),
            (b"123456789", b"\x09\0\0\0\0\0\0\x00123456789\0\0\0\0\0\0\0"),
        ] {
            let mut out = Vec::new();
            push_string(&mut out, string);
            assert_eq!(out, want);
            assert_eq!(encoded_len(string.len()), Some(want.len()));
        }
    }

    #[test]
    fn lengths_at_the_edge_do_not_wrap() {
        assert_eq!(encoded_len(usize::MAX), None);
        assert_eq!(encoded_len(usize::MAX - 7), None);
        assert_eq!(padding(u64::MAX), 1);
        assert_eq!(padding(0), 0);
    }
}

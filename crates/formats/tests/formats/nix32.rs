use proptest::prelude::*;
use rns_formats::nix32::{Nix32Error, decode, decode_array, encode, encoded_len, is_digit};

use crate::vectors::{entries, text, unhex};

#[test]
fn spells_what_nix_spells() {
    for vector in entries("nix32") {
        let bytes = unhex(text(&vector, "hex"));
        assert_eq!(encode(&bytes), text(&vector, "nix32"));
        assert_eq!(decode(text(&vector, "nix32")).unwrap(), bytes);
    }
}

#[test]
fn lengths_are_those_of_nix_hashes() {
    assert_eq!([16, 20, 32, 64].map(encoded_len), [26, 32, 52, 103]);
    assert_eq!([0, 1, 5, 6].map(encoded_len), [0, 2, 8, 10]);
}

#[test]
fn only_the_32_digits_are_digits() {
    let digits: Vec<u8> = (0..=255).filter(|&byte| is_digit(byte)).collect();
    assert_eq!(digits, b"0123456789abcdfghijklmnpqrsvwxyz");
}

#[test]
fn refuses_characters_outside_the_alphabet_and_says_where() {
    for wrong in ['e', 'o', 't', 'u', 'A', 'Z', '-', ' ', '\0', '/'] {
        let digits = format!("000{wrong}0000");
        let expected = Nix32Error::InvalidDigit { byte: wrong as u8, position: 3 };
        assert_eq!(decode(&digits), Err(expected));
    }
    assert!(matches!(decode("éééé"), Err(Nix32Error::InvalidDigit { .. })));
}

#[test]
fn refuses_lengths_that_spell_no_bytes() {
    for digits in [1, 3, 6, 9, 11, 14] {
        let expected = Nix32Error::InvalidLength { digits };
        assert_eq!(decode(&"0".repeat(digits)), Err(expected));
    }
    assert_eq!(decode_array::<20>(&"0".repeat(31)), Err(Nix32Error::InvalidLength { digits: 31 }));
    assert_eq!(decode_array::<20>(&"0".repeat(33)), Err(Nix32Error::InvalidLength { digits: 33 }));
}

#[test]
fn refuses_bits_beyond_the_last_byte() {
    // One byte has two digits, of whose ten bits two are never set.
    assert_eq!(decode("7z").unwrap(), [0xff]);
    assert_eq!(decode("80"), Err(Nix32Error::ExcessBits));
    // 52 digits have 260 bits, four more than a SHA-256.
    let max = format!("1{}", "z".repeat(51));
    assert_eq!(decode_array::<32>(&max).unwrap(), [0xff; 32]);
    let over = format!("2{}", "0".repeat(51));
    assert_eq!(decode_array::<32>(&over), Err(Nix32Error::ExcessBits));
}

#[test]
fn the_last_byte_comes_first() {
    let mut bytes = [0; 20];
    bytes[19] = 0xff;
    assert!(encode(&bytes).starts_with("zw0"));
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let digits = encode(&bytes);
        prop_assert_eq!(digits.len(), encoded_len(bytes.len()));
        prop_assert_eq!(decode(&digits), Ok(bytes));
    }

    #[test]
    fn bytes_have_one_spelling(digits in "[0-9a-df-np-sv-z]{0,60}|.{0,60}") {
        if let Ok(bytes) = decode(&digits) {
            prop_assert_eq!(encode(&bytes), digits);
        }
    }
}

//! One fuzzer for every parser: `RNS_FUZZ_TARGET` says which. Started by `tests/fuzz/run`.
//!
//! A target is a module with `pub(crate) fn run(data: &[u8])`, which panics when a property does not hold,
//! its line in the table below, and a folder of seeds.

#![no_main]
#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::exit,
    reason = "a panic is what the fuzzer looks for, and its list of targets is for a script"
)]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

macro_rules! targets {
    ($($name:ident,)*) => {
        $(mod $name;)*

        /// Every target by name.
        const TARGETS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), $name::run),)*];
    };
}

targets! {
    byte_range,
    cache_info,
    content_address,
    daemon,
    hash,
    http1,
    keys,
    listing,
    nar,
    narinfo,
    realisation,
    signature,
    store_path,
    tree,
    url,
}

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("RNS_FUZZ_TARGET").unwrap_or_default();
        let Some((_, target)) = TARGETS.iter().find(|(known, _)| *known == name) else {
            // One per line: `run` reads this list.
            TARGETS.iter().for_each(|(known, _)| println!("{known}"));
            std::process::exit(if name == "list" { 0 } else { 1 });
        };
        TARGET.get_or_init(|| *target);
    },
    |data: &[u8]| {
        if let Some(target) = TARGET.get() {
            target(data);
        }
    }
);

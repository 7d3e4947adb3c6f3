//! Rules for the files of this repository.

mod circles;
mod coverage;
mod layers;
mod source_modules;
mod source_tokens;

//! Rules for the files of this repository.

mod circles;
mod coverage;
mod documents;
mod layers;
mod lines;
mod names;
mod readme;
mod source_modules;
mod source_tokens;
mod units;

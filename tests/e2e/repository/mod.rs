//! Rules for the files of this repository.

mod coverage;
mod layers;

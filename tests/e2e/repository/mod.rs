//! Rules for the files of this repository.

mod coverage;
mod documents;
mod layers;
mod lines;
mod readme;

//! Which store paths are shown: a policy, evaluated against the database alone.
//!
//! What a policy exposes is a set of rows that is closed under references, kept in memory and brought up to date as database and
//! roots change. A lookup through a restricted handle asks that set first, in one place (`filter`), so that what is hidden
//! and what does not exist are the same to whoever asks.
//!
//! - `roots`: where closures begin
//! - `source`: the questions to the database
//! - `evaluate`, with `graph` for closures and `scan` for whole stores: from the policy to the set
//! - `set`: the result
//! - `views`, `view`, `refresh`, `rounds`, `watch`: the result, brought up to date for who asks, and by itself
//! - `signed`, `verified`: signatures, checked when they matter
//! - `filter`: what lookups ask; `handle`: a store of which a part is shown
//! - `report`: what the operator learns

mod evaluate;
mod filter;
mod graph;
mod handle;
mod outcome;
mod refresh;
mod report;
mod roots;
mod rounds;
mod scan;
mod set;
mod signed;
mod source;
mod verified;
pub(crate) mod view;
pub(crate) mod views;
mod watch;

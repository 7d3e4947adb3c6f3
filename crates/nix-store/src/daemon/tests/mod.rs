//! The client and the roots against scripted daemons, and against the real ones.

mod fake;
mod greeting;
mod holding;
mod log;
mod real;

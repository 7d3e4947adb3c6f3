//! The pool without connections: its actions are carried out by hand.

mod any_order;
mod holding;
mod rig;
mod trouble;

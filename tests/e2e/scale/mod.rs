//! Large stores, large NARs and many clients. These run one at a time.

mod closure;
mod connections;
mod identity;
mod memory;

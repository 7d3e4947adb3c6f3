//! Databases, keys and stores that cannot be used as they are.

mod configuration;
mod store;

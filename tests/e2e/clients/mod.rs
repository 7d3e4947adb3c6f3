//! Real Nix as the client.

mod copy;
mod garbage;
mod inspect;
mod live;
mod resume;
mod stores;
mod substitute;
mod transport;

//! The connections that are open: the state of each, how long it may go on, and which one goes when there are too many.

mod activity;
mod handshakes;
mod roster;
mod watched;

pub(crate) use self::{
    activity::{Activity, PRESSURE_STALL_TIMEOUT},
    handshakes::Handshakes,
    roster::{MAX_METRICS_CONNECTIONS, OpenConnection, Roster},
    watched::Watched,
};

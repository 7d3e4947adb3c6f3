//! The words of a Nix daemon: after any bytes, the client ends with an answer or an error, never with a
//! panic, and asks for no more than it was given.

use tokio::io::{join, sink};

use protocol::{Connection, DaemonError};

// The crate it belongs to keeps this module to itself.
#[path = "../../../crates/nix-store/src/daemon/protocol/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "only what answers questions is tried here"
)]
mod protocol;

pub(crate) fn run(data: &[u8]) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime without I/O");
    runtime.block_on(async {
        let Ok(mut connection) = Connection::open(join(data, sink())).await else { return };
        let minor = connection.peer().protocol.minor();
        assert!((21..=38).contains(&minor));
        assert_eq!(connection.peer().nix_version.is_some(), minor >= 33);
        // Each answer takes bytes, so this ends.
        loop {
            match connection.is_valid_path("/nix/store/x").await {
                Ok(_) => {}
                Err(DaemonError::Refused(why)) => assert!(!why.contains(|c: char| c.is_control())),
                Err(_) => return,
            }
        }
    });
}

//! Databases, keys and stores that cannot be used as they are.

mod configuration;
mod outage;
mod store;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use rns_testing::{Server, Standard};

use crate::support::nar_of;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[track_caller]
fn assert_serves_the_rest(server: &Server, standard: &Standard) {
    assert!(server.get(&nar_of(server, &standard.top)).ok() == standard.store.nar(&standard.top));
}

//! `serve` from outside: flags, what is announced, reload.

use std::{fs, io::Read as _, process::Stdio, thread, time::Duration};

use rns_testing::{FixtureStore, Process, Scratch, Standard, http};
use rustix::process::Signal;

use crate::{PUBLIC, SECRET, program, write_key};

/// The URL that the server says it listens on.
fn url(process: &mut Process) -> String {
    let line = process.wait_for_line("listening on http");
    line.split_once("listening on ").unwrap().1.trim().to_owned()
}

fn get(url: &str, target: &str) -> http::Response {
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    http::Connection::tcp(address).send(&http::Request::get(target))
}

//! Many requests over some connections, and the cost of sending them.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use anyhow::{Result, anyhow, ensure};

use crate::{http::Connection, process::own_thread_seconds};

/// The result of a load.
#[derive(Clone, Copy, Default)]
pub(crate) struct Load {
    pub(crate) wall: f64,
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    /// Processor seconds of the client: all of it, and of its busiest thread.
    pub(crate) client_cpu: f64,
    pub(crate) busiest: f64,
}

/// Sends every request once, each connection taking the next that is left; bodies are discarded. Every
/// answer must have this status.
pub(crate) fn send(
    address: SocketAddr,
    connections: usize,
    status: u16,
    requests: &[Vec<u8>],
) -> Result<Load> {
    let next = AtomicUsize::new(0);
    let one = || -> Result<Load> {
        let (mut load, before) = (Load::default(), own_thread_seconds());
        let mut connection = Connection::open(address)?;
        while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (got, bytes) = connection.discard(request)?;
            ensure!(got == status, "{got} for {}", String::from_utf8_lossy(request));
            load.requests += 1;
            load.bytes += bytes;
        }
        load.client_cpu = own_thread_seconds() - before;
        Ok(load)
    };
    let start = Instant::now();
    let loads: Vec<Load> = thread::scope(|scope| {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(one)).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .map(|load| load.map_err(|_| anyhow!("a thread has panicked"))?)
            .collect::<Result<_>>()
    })?;
    let mut sum = Load { wall: start.elapsed().as_secs_f64(), ..Load::default() };
    for load in loads {
        sum.requests += load.requests;
        sum.bytes += load.bytes;
        sum.client_cpu += load.client_cpu;
        sum.busiest = sum.busiest.max(load.client_cpu);
    }
    Ok(sum)
}

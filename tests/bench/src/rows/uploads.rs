//! Pushes into a directory: one large NAR against the check of it alone, many small paths against nginx with
//! WebDAV, and the memory that uploads and downloads need together.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    thread,
    time::Instant,
};

use anyhow::{Context, Result, anyhow, ensure};
use rns_formats::{Sha256Digest, StoreDir};

use crate::{
    bench::{Bench, NGINX, OURS},
    http::{Connection, request, upload},
    load::Load,
    measure::{Row, Subject, in_turns, medians_of},
    report::Goal,
    servers::{DavNginx, RustNixServe},
    store::Group,
    wrk::children_seconds,
};

const ALONE: &str = "check of it alone";
const UPLOADS: usize = 16;
const DOWNLOADS: usize = 64;
/// After so many bytes a download of the huge NAR begins anew.
const ENOUGH: u64 = 24 << 20;

/// The huge NAR in zstd, as it is uploaded.
struct Huge {
    target: String,
    file: Vec<u8>,
}

/// The server with `storage.sync`. nginx does not flush uploads: no goal compares them.
const SYNCED: &str = "rust-nix-serve, sync = true";

impl Huge {
    fn of(bench: &Bench) -> Result<Self> {
        let huge = bench.one(Group::Huge).pop().context("there is no huge path")?;
        let file = fs::read(bench.store.statics("zstd").join(&huge.nar("zstd")[1..]))?;
        let target = format!("/nar/{}.nar.zst", Sha256Digest::of(&file).to_nix32());
        Ok(Self { target, file })
    }

    /// Uploads it over a connection of its own.
    fn put(&self, address: SocketAddr) -> Result<()> {
        let status = Connection::open(address)?.send(&upload(&self.target, &self.file), &self.file);
        let status = status?;
        ensure!(status == 201, "{status} for the huge NAR");
        Ok(())
    }
}

/// A server for an empty directory that takes uploads from all clients, the directory, and its process.
pub(super) fn server(
    bench: &Bench,
    scratch: &Path,
    name: &str,
) -> Result<(RustNixServe, crate::process::Process, PathBuf)> {
    server_with(bench, scratch, name, |_| ())
}

fn server_with(
    bench: &Bench,
    scratch: &Path,
    name: &str,
    change: impl FnOnce(&mut RustNixServe),
) -> Result<(RustNixServe, crate::process::Process, PathBuf)> {
    let directory = scratch.join(format!("{name}-storage"));
    fs::create_dir_all(&directory)?;
    let mut server = RustNixServe::of_storage(&bench.binary, scratch, name, &directory)?;
    change(&mut server);
    server.section("[access]\nanonymous = [\"read\", \"push\"]");
    let process = server.start(scratch, None)?;
    Ok((server, process, directory))
}

/// The huge NAR uploaded, against `storage verify --content` of the upload: decompression and both hashes.
pub(crate) fn large(bench: &mut Bench) -> Result<()> {
    let scratch = bench.scratch.path().to_owned();
    let (server, process, directory) = server(bench, &scratch, "large")?;
    let huge = Huge::of(bench)?;
    let stored = directory.join(&huge.target[1..]);
    let put = || -> Result<Load> {
        // One that is there is not checked again.
        _ = fs::remove_file(&stored);
        let start = Instant::now();
        huge.put(server.address)?;
        Ok(Load {
            wall: start.elapsed().as_secs_f64(),
            requests: 1,
            bytes: huge.file.len() as u64,
            ..Load::default()
        })
    };
    let configuration = scratch.join("large.toml");
    let alone = || -> Result<Load> {
        let (start, before) = (Instant::now(), children_seconds()?);
        let mut command = Command::new(&bench.binary);
        command.args(["storage", "verify", "--content", "--config"]).arg(&configuration);
        let output = command.output()?;
        let wall = start.elapsed().as_secs_f64();
        let text = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "storage verify has failed: {text}");
        let client_cpu = children_seconds()? - before;
        Ok(Load { wall, requests: 1, bytes: huge.file.len() as u64, client_cpu, busiest: 0.0 })
    };
    put()?;
    publish_huge(bench, server.address, &huge)?;
    let subjects =
        [Subject::new(ALONE, Vec::new(), alone), Subject::new(OURS, vec![process.id()], put)];
    let row =
        in_turns("upload of the huge NAR, zstd, to a directory", bench.size.rounds, &subjects)?;
    drop(subjects);
    let ratio = row.result(OURS).wall / row.result(ALONE).wall;
    let what = "upload of the huge NAR, zstd, to a directory, wall";
    bench.keep(row, [Goal::new(what, "× the check alone", Some(ratio), 1.25, 1.05)]);
    Ok(())
}

/// Its narinfo, without which it is not looked at.
fn publish_huge(bench: &Bench, address: SocketAddr, huge: &Huge) -> Result<()> {
    let member = bench.one(Group::Huge).pop().context("there is no huge path")?;
    let narinfo = fs::read_to_string(bench.store.statics("zstd").join(&member.narinfo()[1..]))?;
    let line = |line: &str| match line.split_once(": ") {
        Some(("URL", _)) => format!("URL: {}\n", &huge.target[1..]),
        _ => format!("{line}\n"),
    };
    let narinfo: String = narinfo.lines().map(line).collect();
    let request = upload(&member.narinfo(), narinfo.as_bytes());
    let status = Connection::open(address)?.send(&request, narinfo.as_bytes())?;
    ensure!(status == 201, "{status} for the narinfo of the huge NAR");
    Ok(())
}

/// Small paths by real Nix, to an empty directory each time.
pub(crate) fn small(bench: &mut Bench) -> Result<()> {
    let Some(nix) = bench.nix.take() else {
        eprintln!("nix copy of small paths: skipped, NIX_2_34_BIN is not set");
        return Ok(());
    };
    let store_dir = StoreDir::default();
    let others = bench.one(Group::Other).into_iter().take(bench.size.small_paths);
    let paths: Vec<String> = others.map(|member| store_dir.print(&member.path)).collect();
    let mut rounds: Vec<Row> = Vec::new();
    let what = format!("nix copy of {} small paths to a directory", paths.len());
    // A file system without a journal looks for inodes that were not freed just now: nothing is removed between the rounds.
    let mut scratches = Vec::new();
    for _ in 0..bench.size.rounds {
        let scratch = crate::scratch::Scratch::below(bench.scratch.path())?;
        let (ours, process, directory) = server(bench, scratch.path(), "small")?;
        let (synced, synced_process, synced_directory) =
            server_with(bench, scratch.path(), "synced", RustNixServe::with_sync)?;
        let nginx = DavNginx::start(scratch.path())?;
        let to = |address: SocketAddr, directory: PathBuf| {
            let (nix, paths, root) = (&nix, &paths, bench.store.root());
            move || -> Result<Load> {
                let load = nix.push(&root, address, paths)?;
                let nars = fs::read_dir(directory.join("nar"))?.count();
                ensure!(nars == paths.len(), "{nars} NARs were copied");
                Ok(load)
            }
        };
        let subjects = [
            Subject::new(
                NGINX,
                nginx.process.workers(),
                to(nginx.address, nginx.directory.clone()),
            ),
            Subject::new(OURS, vec![process.id()], to(ours.address, directory)),
            Subject::new(SYNCED, vec![synced_process.id()], to(synced.address, synced_directory)),
        ];
        rounds.push(in_turns(&what, 1, &subjects)?);
        drop(subjects);
        scratches.push(scratch);
    }
    bench.nix = Some(nix);
    let row = medians_of(rounds);
    let ratio = row.result(OURS).wall / row.result(NGINX).wall;
    let goals = [Goal::new(&format!("{what}, wall"), "× nginx WebDAV", Some(ratio), 1.3, 1.1)];
    bench.keep(row, goals);
    Ok(())
}

/// Sixteen uploads of the huge NAR, and downloads of it until they have ended.
pub(crate) fn memory(bench: &mut Bench) -> Result<()> {
    let scratch = bench.scratch.path().to_owned();
    let (server, process, _) = server(bench, &scratch, "upload-memory")?;
    let huge = Huge::of(bench)?;
    huge.put(server.address)?;
    // Other files with the same NAR: the bytes of an empty frame behind it are part of the file and of no NAR.
    let others: Vec<Huge> = (0..UPLOADS).map(|number| huge.padded(number)).collect();
    let download = request(&huge.target, None);
    let all = || -> Result<Load> {
        let (left, bytes) = (AtomicUsize::new(UPLOADS), AtomicU64::new(0));
        let start = Instant::now();
        let up = |one: &Huge| {
            let put = one.put(server.address);
            left.fetch_sub(1, Relaxed);
            bytes.fetch_add(one.file.len() as u64, Relaxed);
            put
        };
        let down = || -> Result<()> {
            while left.load(Relaxed) > 0 {
                let taken = Connection::open(server.address)?.at_most(&download, ENOUGH)?;
                bytes.fetch_add(taken, Relaxed);
            }
            Ok(())
        };
        thread::scope(|scope| -> Result<()> {
            let mut threads: Vec<_> =
                others.iter().map(|one| scope.spawn(move || up(one))).collect();
            threads.extend((0..DOWNLOADS).map(|_| scope.spawn(down)));
            let mut joined = threads.into_iter().map(|thread| thread.join());
            joined.try_for_each(|done| done.map_err(|_| anyhow!("a thread has panicked"))?)
        })?;
        let wall = start.elapsed().as_secs_f64();
        Ok(Load { wall, requests: UPLOADS as u64, bytes: bytes.into_inner(), ..Load::default() })
    };
    let subjects = [Subject::new(OURS, vec![process.id()], all)];
    let row = in_turns("16 uploads and 64 downloads at once, zstd", 1, &subjects)?;
    drop(subjects);
    let peak = row.result(OURS).peak;
    let what = "peak memory, 16 uploads and 64 downloads at once";
    bench.keep(row, [Goal::new(what, "MiB", Some(peak), 128.0, 96.0)]);
    Ok(())
}

impl Huge {
    /// The same NAR in another file: a skippable frame is put in front of it.
    fn padded(&self, number: usize) -> Self {
        let mut file = vec![0x50, 0x2a, 0x4d, 0x18, 8, 0, 0, 0];
        file.extend((number as u64).to_le_bytes());
        file.extend_from_slice(&self.file);
        let target = format!("/nar/{}.nar.zst", Sha256Digest::of(&file).to_nix32());
        Self { target, file }
    }
}

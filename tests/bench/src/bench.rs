//! The servers that are measured, and the results so far.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{
    client::Nix,
    load::{self, Load},
    measure::{Outcome, Row, Subject},
    process::Process,
    report::Goal,
    scratch::Scratch,
    servers::{FILES, Nginx, RustNixServe},
    size::Size,
    store::{Group, Member, Store},
};

pub(crate) const NGINX: &str = "nginx";
pub(crate) const NGINX_OPEN: &str = "nginx, open_file_cache";
pub(crate) const OURS: &str = "rust-nix-serve";
pub(crate) const FRONT: &str = "behind nginx";

pub(crate) struct Bench {
    pub(crate) size: Size,
    pub(crate) binary: PathBuf,
    pub(crate) store: Store,
    pub(crate) nginx: Nginx,
    /// Without compression.
    pub(crate) none: (RustNixServe, Process),
    /// With zstd and a NAR cache.
    pub(crate) zstd: (RustNixServe, Process),
    /// Of a directory, once it is served.
    pub(crate) storage: Option<(RustNixServe, Process)>,
    pub(crate) nix: Option<Nix>,
    pub(crate) rows: Vec<Row>,
    pub(crate) goals: Vec<Goal>,
    /// Last: removed when the servers have ended.
    pub(crate) scratch: Scratch,
}

impl Bench {
    pub(crate) fn start(size: Size, binary: &Path, cache: &Path) -> Result<Self> {
        let store = Store::open(cache, &size)?;
        let scratch = Scratch::below(cache)?;
        let here = scratch.path();
        let none = RustNixServe::new(binary, here, "none", &store.root())?;
        let mut zstd = RustNixServe::new(binary, here, "zstd", &store.root())?;
        let (socket, nars) = (here.join("nginx.sock"), here.join("nars"));
        zstd.compressing(&nars);
        zstd.section(&format!(
            "[nginx]\nlisten = \"unix:{}\"\nlocation = \"/nar-cache/\"",
            socket.display()
        ));
        let none = (none.start(here, None).map(|process| (none, process)))?;
        let zstd = (zstd.start(here, Some(&socket)).map(|process| (zstd, process)))?;
        let nginx = Nginx::start(here, &store, &socket, &nars)?;
        let (nix, binary) = (Nix::find()?, binary.to_owned());
        let (rows, goals) = (Vec::new(), Vec::new());
        let storage = None;
        Ok(Self { size, binary, store, nginx, none, zstd, storage, nix, rows, goals, scratch })
    }

    /// The server of ours with this compression, or of the directory (`storage`), and its rivals: addresses of
    /// rust-nix-serve, nginx and nginx with `open_file_cache`.
    pub(crate) fn addresses(&self, compression: &str) -> [std::net::SocketAddr; 3] {
        let nginx = &self.nginx;
        match compression {
            "none" => [self.none.0.address, nginx.none, nginx.none_open],
            "storage" => {
                let ours =
                    self.storage.as_ref().map_or(self.zstd.0.address, |(server, _)| server.address);
                [ours, nginx.files, nginx.files_open]
            }
            _ => [self.zstd.0.address, nginx.zstd, nginx.zstd_open],
        }
    }

    pub(crate) fn ours(&self, compression: &str) -> Vec<u32> {
        let process = match (compression, &self.storage) {
            ("none", _) => &self.none.1,
            ("storage", Some((_, process))) => process,
            _ => &self.zstd.1,
        };
        vec![process.id()]
    }

    /// Serves the compressed static cache as a directory in which NARs have the names that `nix copy` gives them. Returns the
    /// targets of the NARs of all paths.
    pub(crate) fn serve_files(&mut self) -> Result<Vec<String>> {
        let directory = self.scratch.path().join(FILES);
        let targets = self.store.as_copied(&directory)?;
        let here = self.scratch.path();
        let server = RustNixServe::of_storage(&self.binary, here, "storage", &directory)?;
        self.storage = Some(server.start(here, None).map(|process| (server, process))?);
        Ok(targets)
    }

    /// All paths that have a narinfo in both caches.
    pub(crate) fn everyone(&self) -> &[Member] {
        &self.store.members
    }

    pub(crate) fn one(&self, group: Group) -> Vec<Member> {
        self.store.group(group)
    }

    /// These requests as often as it takes for a time that can be measured, and how often that is.
    pub(crate) fn passes(
        &self,
        compression: &str,
        connections: usize,
        status: u16,
        requests: Vec<Vec<u8>>,
    ) -> Result<(Vec<Vec<u8>>, usize)> {
        let [ours, nginx, open] = self.addresses(compression);
        for address in [ours, open, nginx] {
            load::send(address, connections, status, &requests)?;
        }
        let wall = load::send(nginx, connections, status, &requests)?.wall;
        let passes = ((self.size.seconds / wall).ceil() as usize).clamp(1, 100);
        let times = requests.len() * passes;
        Ok((requests.into_iter().cycle().take(times).collect(), passes))
    }

    /// nginx, nginx with `open_file_cache` and rust-nix-serve, each sent these requests over some connections.
    pub(crate) fn against_nginx<'a>(
        &'a self,
        compression: &str,
        connections: usize,
        status: u16,
        requests: &'a [Vec<u8>],
    ) -> Vec<Subject<'a>> {
        let [ours, nginx, open] = self.addresses(compression);
        let to = move |address| {
            move || -> Result<Load> { load::send(address, connections, status, requests) }
        };
        let workers = self.nginx.process.workers();
        vec![
            Subject::new(NGINX, workers.clone(), to(nginx)),
            Subject::new(NGINX_OPEN, workers, to(open)),
            Subject::new(OURS, self.ours(compression), to(ours)),
        ]
    }

    /// Keeps a row and its verdict on goals.
    pub(crate) fn keep(&mut self, row: Row, goals: impl IntoIterator<Item = Goal>) {
        self.rows.push(row);
        self.goals.extend(goals);
    }
}

/// Wall time as a multiple of nginx's; no number when the client decided it.
pub(crate) fn wall_ratio(row: &Row, name: &str) -> Option<f64> {
    let (nginx, ours) = (row.result(NGINX), row.result(name));
    (!nginx.client_bound && !ours.client_bound).then(|| ours.wall / nginx.wall)
}

/// Processor time per request as a multiple of nginx's.
pub(crate) fn cpu_ratio(row: &Row, name: &str) -> Option<f64> {
    let per = |outcome: Outcome| outcome.cpu_per_request();
    Some(per(row.result(name)) / per(row.result(NGINX)))
}

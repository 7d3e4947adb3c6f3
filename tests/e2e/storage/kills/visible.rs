//! Visible paths download with the right contents, and their references are visible.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read as _,
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::Duration,
};

use rns_formats::{Compression, NarInfo, Sha256Digest, StoreDir, StorePath};

use super::{
    clients::exchange,
    world::{REPLICAS, World},
};

/// How the file of a narinfo or NAR is known again: inode, length, time in nanoseconds.
type Stamp = (u64, u64, i64);

/// A visible path that was downloaded, and the files that it was then.
struct Downloaded {
    url: String,
    narinfo: Stamp,
    nar: Stamp,
}

/// Visible paths by their hash parts. A round downloads those that changed since the one before: all of them each time would make
/// the two-hundredth round a hundred times as long as the first.
pub(super) struct Checked {
    paths: BTreeMap<String, Downloaded>,
    /// Downloads of paths so far.
    pub(super) downloads: usize,
    /// Whether paths may go that are not kept.
    is_collecting: bool,
}

fn get(address: SocketAddr, target: &str) -> (u16, Vec<u8>) {
    let head = format!("GET {target} HTTP/1.1\r\nHost: cache\r\nConnection: close\r\n\r\n");
    exchange(address, &head, b"", None).unwrap_or_else(|| panic!("GET {target}: no answer"))
}

fn stamp(world: &World, key: &str) -> Option<Stamp> {
    let found = fs::metadata(world.bucket.directory().join(key)).ok()?;
    Some((found.ino(), found.len(), found.mtime() * 1_000_000_000 + found.mtime_nsec()))
}

/// The hash parts of all paths that are visible.
pub(super) fn visible(world: &World) -> BTreeSet<String> {
    let names = fs::read_dir(world.bucket.directory()).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        Some(name.strip_suffix(".narinfo").filter(|hash| hash.len() == 32)?.to_owned())
    });
    names.collect()
}

impl Checked {
    /// Nothing was downloaded yet.
    pub(super) fn new(is_collecting: bool) -> Self {
        Self { paths: BTreeMap::new(), downloads: 0, is_collecting }
    }

    /// Every visible path downloads with the right contents, and its references are visible. `kept` are those that must be.
    pub(super) fn check<'a>(
        &mut self,
        world: &World,
        kept: impl IntoIterator<Item = &'a StorePath>,
    ) {
        let addresses = world.addresses();
        let visible = visible(world);
        for path in kept {
            assert!(visible.contains(&path.hash_part().to_string()), "{path} was acknowledged");
        }
        if self.is_collecting {
            self.paths.retain(|hash, _| visible.contains(hash));
        }
        for hash in self.paths.keys() {
            assert!(visible.contains(hash), "{hash} was visible");
        }
        let changed = visible.iter().filter(|hash| {
            self.paths.get(*hash).is_none_or(|known| {
                stamp(world, &format!("{hash}.narinfo")) != Some(known.narinfo)
                    || stamp(world, &known.url) != Some(known.nar)
            })
        });
        let changed: Vec<_> = changed.cloned().collect();
        let next = AtomicUsize::new(0);
        let download_some = || {
            let mut downloaded = Vec::new();
            loop {
                let number = next.fetch_add(1, Relaxed);
                let Some(hash) = changed.get(number) else { return downloaded };
                let address = addresses[number % REPLICAS];
                downloaded.push((hash.clone(), download(world, address, hash, &visible)));
            }
        };
        let downloaded: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..REPLICAS).map(|_| scope.spawn(download_some)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        self.downloads += downloaded.len();
        for (hash, new) in downloaded {
            // A path that was collected and pushed again may have another NAR.
            let known = self.paths.get(&hash).filter(|_| !self.is_collecting);
            assert!(known.is_none_or(|known| known.url == new.url), "{hash} has another NAR now");
            self.paths.insert(hash, new);
        }
    }

    /// How many paths there are.
    pub(super) fn len(&self) -> usize {
        self.paths.len()
    }
}

fn download(
    world: &World,
    address: SocketAddr,
    hash: &str,
    visible: &BTreeSet<String>,
) -> Downloaded {
    let name = format!("{hash}.narinfo");
    let stamp_of = |key: &str| stamp(world, key).unwrap_or_else(|| panic!("{key} is visible"));
    let stamp_of_narinfo = stamp_of(&name);
    let file = fs::read_to_string(world.bucket.directory().join(&name)).unwrap();
    let url = file.lines().find_map(|line| line.strip_prefix("URL: ")).unwrap();
    let ask = || {
        let (status, text) = get(address, &format!("/{name}"));
        let text = String::from_utf8(text).unwrap();
        assert_eq!(status, 200, "{name}: {text}");
        NarInfo::parse(&text, &StoreDir::default()).unwrap()
    };
    let mut narinfo = ask();
    if narinfo.url != url {
        // It was collected and pushed again, and a server may repeat its knowledge for a second.
        thread::sleep(Duration::from_millis(1100));
        narinfo = ask();
    }
    assert_eq!(narinfo.url, url, "{name}");
    assert!(!narinfo.signatures.is_empty(), "{narinfo:?}");
    for reference in &narinfo.references {
        assert!(visible.contains(&reference.hash_part().to_string()), "{narinfo:?}");
    }
    let stamp_of_nar = stamp_of(&narinfo.url);
    let (status, file) = get(address, &format!("/{}", narinfo.url));
    assert_eq!(status, 200, "{narinfo:?}");
    let nar = match narinfo.compression {
        Compression::None => file,
        Compression::Zstd => zstd::decode_all(&file[..]).unwrap(),
        Compression::Xz => {
            let mut nar = Vec::new();
            xz2::read::XzDecoder::new_multi_decoder(&file[..]).read_to_end(&mut nar).unwrap();
            nar
        }
        other => panic!("{other}: {narinfo:?}"),
    };
    assert!(Sha256Digest::of(&nar) == narinfo.nar_hash, "{narinfo:?}");
    Downloaded { url: narinfo.url, narinfo: stamp_of_narinfo, nar: stamp_of_nar }
}

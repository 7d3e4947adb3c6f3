//! Outputs of content-addressed derivations on their way into a store whose daemon is of Nix 2.35, which no package
//! registry has: a script with its words, as the documentation of the protocol gives them.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as loudly as tests")]

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use rns_cache::{CacheFactory as _, ExposurePolicy, PublishError, WritableCache};
use rns_formats::{BuildTraceEntry, DrvOutputId, Realisation, StorePath, StorePathName};
use rns_nix_store::{ImportConfig, LocalCaches, Spool, StoreConfig};
use rns_testing::{Scratch, Standard};

const LAST: u64 = 0x616c_7473;
const ERROR: u64 = 0x6378_7470;

fn number(stream: &mut UnixStream) -> io::Result<u64> {
    let mut bytes = [0; 8];
    stream.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn text(stream: &mut UnixStream) -> io::Result<String> {
    let length = usize::try_from(number(stream)?).unwrap();
    let mut bytes = vec![0; length.next_multiple_of(8)];
    stream.read_exact(&mut bytes)?;
    bytes.truncate(length);
    Ok(String::from_utf8(bytes).unwrap())
}

fn say_number(stream: &mut UnixStream, number: u64) -> io::Result<()> {
    stream.write_all(&number.to_le_bytes())
}

fn say(stream: &mut UnixStream, text: &str) -> io::Result<()> {
    say_number(stream, text.len() as u64)?;
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(text.len().next_multiple_of(8), 0);
    stream.write_all(&bytes)
}

/// Answers one connection. Orders to enter an output go to `entered`; the second one is refused.
fn serve(stream: &mut UnixStream, entered: &Sender<Vec<String>>) -> io::Result<()> {
    number(stream)?;
    number(stream)?;
    for word in [0x6478_696f, 0x126] {
        say_number(stream, word)?;
    }
    let offered = number(stream)?;
    let offered: Vec<String> = (0..offered).map(|_| text(stream)).collect::<Result<_, _>>()?;
    assert_eq!(offered, ["realisation-with-path-not-hash"]);
    say_number(stream, 1)?;
    say(stream, "realisation-with-path-not-hash")?;
    number(stream)?;
    number(stream)?;
    say(stream, "2.35.0")?;
    for word in [1, LAST] {
        say_number(stream, word)?;
    }
    let mut count = 0;
    loop {
        match number(stream)? {
            // A temporary root.
            11 => {
                text(stream)?;
                say_number(stream, LAST)?;
                say_number(stream, 1)?;
            }
            // An output of a derivation.
            42 => {
                let mut order = vec![text(stream)?, text(stream)?, text(stream)?];
                for _ in 0..number(stream)? {
                    order.push(text(stream)?);
                }
                entered.send(order).unwrap();
                count += 1;
                if count == 1 {
                    say_number(stream, LAST)?;
                    continue;
                }
                say_number(stream, ERROR)?;
                say(stream, "Error")?;
                say_number(stream, 0)?;
                say(stream, "Error")?;
                say(stream, "we already have another one locally")?;
                say_number(stream, 0)?;
                say_number(stream, 0)?;
            }
            other => panic!("operation {other}"),
        }
    }
}

/// A daemon at this socket. It ends with the test.
fn daemon(socket: &Path) -> Receiver<Vec<String>> {
    let (sender, entered) = channel();
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, sender) = (stream.unwrap(), sender.clone());
            // A client that leaves is no error.
            thread::spawn(move || _ = serve(&mut stream, &sender));
        }
    });
    entered
}

#[tokio::test]
async fn a_daemon_of_nix_2_35_gets_build_traces_and_no_realisations() {
    let (standard, scratch) = (Standard::new(), Scratch::new());
    let entered = daemon(&scratch.join("daemon"));
    let config = StoreConfig {
        daemon_socket: Some(scratch.join("daemon")),
        ..StoreConfig::for_root(standard.store.root(), standard.store.store_dir().clone())
    };
    let import = ImportConfig {
        max_nar_size: 16 << 20,
        decoder_memory: 16 << 20,
        spool_directory: scratch.join("spool"),
        spool_size: 16 << 20,
        spool_age: Duration::from_secs(3600),
        roots_directory: scratch.join("roots"),
        roots_lifetime: Duration::from_secs(3600),
        keep_free: None,
        min_age: Duration::ZERO,
        root_rules: Vec::new(),
    };
    let spool = Spool::open(scratch.join("spool"), import.spool_size, import.spool_age).unwrap();
    let caches = LocalCaches::open(config).with_uploads(spool, import);
    let target = caches.uploads(None, &ExposurePolicy::default()).unwrap().target;
    let target: &dyn WritableCache = &*target;
    let mut entry = BuildTraceEntry {
        drv_path: StorePath::parse("zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-x.drv").unwrap(),
        output_name: StorePathName::parse("out").unwrap(),
        out_path: StorePath::parse("zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-x").unwrap(),
        signatures: vec!["k-1:AAAA".parse().unwrap()],
    };
    // The path first.
    let missing = target.put_build_trace(&entry).await.unwrap_err();
    assert!(matches!(missing, PublishError::MissingReferences(_)), "{missing}");
    entry.out_path = standard.dep.clone();
    target.put_build_trace(&entry).await.unwrap();
    let print = |path: &StorePath| standard.store.store_dir().print(path);
    let order = [&*print(&entry.drv_path), "out", &*print(&entry.out_path), "k-1:AAAA"];
    assert_eq!(entered.recv().unwrap(), order);
    // The first one stays.
    let refused = target.put_build_trace(&entry).await.unwrap_err();
    assert!(matches!(refused, PublishError::Conflict { .. }), "{refused}");

    let realisation = Realisation {
        id: DrvOutputId::parse(&format!("sha256:{}!out", "1".repeat(64))).unwrap(),
        out_path: standard.dep.clone(),
        signatures: Vec::new(),
        dependent_realisations: std::collections::BTreeMap::new(),
    };
    let refused = target.put_realisation(&realisation).await.unwrap_err();
    assert!(matches!(refused, PublishError::Unsupported { .. }), "{refused}");
    assert!(refused.to_string().contains("build traces"), "{refused}");
}

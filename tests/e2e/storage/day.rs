//! A day of builds that CI pushes to a bucket with a limit, as `docs/retention.md` describes it: the bucket stays below its limit,
//! no push is refused, and what a root needs can be had in the end.
//!
//! `RNS_DAY_MIB=1024` is the long form: a limit of 1 GiB, and a gigabyte and a half of pushes.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use rns_formats::StorePath;
use rns_testing::{Entry, FixtureStore, S3Server, Scratch, Tree, run};

use crate::support::{PUBLIC_KEY, SECRET_KEY, full, nixes, number, private::create, server};

/// Pushes of the day.
const PUSHES: usize = 36;

/// Pushes that fill the limit. One is less than the 5 % from which on a server makes room.
const FILLING: u64 = 24;

/// Pushes for one that is released.
const RELEASE_EVERY: usize = 6;

/// How long something may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Bytes that no compressor makes smaller.
fn noise(seed: &mut u64, length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < length {
        *seed =
            seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend(seed.rotate_left(29).to_le_bytes());
    }
    bytes
}

/// Bytes of all objects in a bucket, unfinished ones too.
fn size(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => size(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

#[test]
fn a_bucket_with_a_limit_stays_below_it_for_a_day_of_pushes() {
    let (Some(nix), Some(bucket)) = (nixes().last(), S3Server::start()) else { return };
    let limit = number("RNS_DAY_MIB").unwrap_or(4) << 20;
    let state = Scratch::new();
    let builder = server().keys([SECRET_KEY]).store_flag("enabled", false);
    let tokens = builder.scratch().join("tokens");
    let token = create(&tokens, "ci", &["--allow", "read,push,pin"]);
    // A day in a minute: an hour is two seconds and a half.
    let retention =
        format!("[retention]\nmax_size = \"{limit}\"\nmin_age = \"2s\"\ninterval = \"1s\"");
    let server = builder
        .section(&format!("[storage]\nurl = {:?}", bucket.url()))
        .section(&retention)
        .section(&format!("[access]\ntokens = {tokens:?}\nanonymous = [\"read\"]"))
        .env("AWS_SHARED_CREDENTIALS_FILE", bucket.credentials_file().to_str().unwrap())
        .env("STATE_DIRECTORY", state.path().to_str().unwrap())
        .start();
    let nars = bucket.directory().join("nar");
    let (is_over, most) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let looking = thread::spawn({
        let (nars, is_over, most) = (nars.clone(), Arc::clone(&is_over), Arc::clone(&most));
        move || {
            while !is_over.load(Relaxed) {
                most.fetch_max(size(&nars), Relaxed);
                thread::sleep(Duration::from_millis(20));
            }
        }
    });

    let (mut store, mut seed) = (FixtureStore::new(), 1);
    let library = store.insert(Entry::new("library", Tree::file(noise(&mut seed, limit / 64))));
    let netrc = state.write("netrc", format!("machine 127.0.0.1 login ci password {token}\n"));
    let netrc = netrc.to_str().unwrap();
    let mut pushed_bytes = 0;
    let mut released: Option<StorePath> = None;
    for build in 0..PUSHES {
        // Builds come some time apart: the server makes room in between.
        let deadline = Instant::now() + PATIENCE;
        while size(&nars) > limit / 100 * 95 {
            assert!(Instant::now() < deadline, "no room is made: {}", server.stderr());
            thread::sleep(Duration::from_millis(20));
        }
        let text = noise(&mut seed, limit / FILLING);
        pushed_bytes += text.len() as u64;
        let entry = Entry::new(format!("build-{build}"), Tree::file(&text));
        let path = store.insert(entry.references(std::slice::from_ref(&library)));
        let to = format!("{}/push?compression=zstd", server.url().trim_end_matches('/'));
        let client = nix.client().with_root(store.root());
        let copy = ["copy", "--no-check-sigs", "--netrc-file", netrc, "--to", &to, &full(&path)];
        client.nix_command(copy).success();
        if build % RELEASE_EVERY == 0 {
            let body = state.write("paths", full(&path));
            let mut curl = Command::new("curl");
            curl.args(["--fail-with-body", "--silent", "--noproxy", "*", "--netrc-file", netrc]);
            curl.arg("--upload-file").arg(&body).arg(format!(
                "{}/gcroots/project/main?revisions=2",
                server.url().trim_end_matches('/')
            ));
            run(&mut curl, PATIENCE).success();
            released = Some(path);
        }
    }
    is_over.store(true, Relaxed);
    looking.join().unwrap();
    let most = most.load(Relaxed);
    assert!(pushed_bytes > limit, "more was pushed than there is room for");
    assert!(most <= limit, "{most} of {limit} bytes; {}", server.stderr());
    let client = nix.client().option("trusted-public-keys", PUBLIC_KEY);
    let from = server.url();
    client.nix_command(["copy", "--from", from, &full(&released.unwrap())]).success();
    eprintln!(
        "{PUSHES} pushes, {} MiB together, to a bucket with a limit of {} MiB: {} MiB at most",
        pushed_bytes >> 20,
        limit >> 20,
        most >> 20
    );
}

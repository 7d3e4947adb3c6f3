//! Clients that want more compressed than can be at once.

use std::{fs, thread};

use rns_formats::{Compression, NarName, StorePath};
use rns_testing::{FixtureStore, Scratch, http::Request};

use crate::support::{
    compression::{compressing, large_named},
    eventually,
};

#[test]
fn who_wants_one_nar_does_not_wait_for_another_who_wants_many() {
    let (mut store, scratch) = (FixtureStore::new(), Scratch::new());
    let many: Vec<_> = (0..12).map(|n| large_named(&mut store, &format!("many-{n}"))).collect();
    let one = large_named(&mut store, "one");
    let directory = scratch.join("nars");
    let server = compressing(&store, &directory, "xz")
        .section("level = 0\nencoder_memory = \"1MiB\"")
        .section("[access]\nanonymous = [\"read\", \"metrics\"]\ntrusted_proxies = [\"127.0.0.1\"]")
        .start();
    let url = |path: &StorePath| {
        let name = NarName::new(path.hash_part(), store.info(path).nar_hash, Compression::Xz);
        format!("/{}", name.canonical_url())
    };
    let (many, one): (Vec<_>, _) = (many.iter().map(url).collect(), url(&one));
    let (server, directory) = (&server, &directory);
    let ask = |client: &str, url: &str| {
        let request = Request::get(url);
        server.connect().send(&request.header("X-Forwarded-For", client)).ok().len()
    };
    let finished = || {
        let names = fs::read_dir(directory).into_iter().flatten().map(|file| file.unwrap());
        names.filter(|file| !file.file_name().to_str().unwrap().starts_with("tmp-")).count()
    };
    thread::scope(|scope| {
        for url in &many {
            scope.spawn(move || ask("192.0.2.1", url));
        }
        // They have taken all there is.
        eventually(|| finished() > 0);
        ask("192.0.2.2", &one);
        let finished = finished();
        assert!(finished < 9, "{finished} of 12 came before it");
    });
}

//! Check C56: a download that is cut off goes on where it was.

use rns_testing::{FixtureStore, Proxy, Standard, Tree};

use crate::support::{PUBLIC_KEY, full, nixes, serve};

#[test]
fn c56_a_download_cut_after_a_megabyte_goes_on_from_there() {
    for nix in nixes() {
        let standard = Standard::new();
        let server = serve(&standard.store);
        let proxy = Proxy::cutting(server.address(), 1, 1_000_000);
        let client = nix.client().substituting_from(&proxy.url(), PUBLIC_KEY);
        client.realise([full(&standard.blob)]).success();
        assert!(
            client.dump(&client.real_path(standard.blob.as_str()))
                == standard.store.nar(&standard.blob)
        );
        let ranges = ranges(&proxy);
        assert_eq!(ranges.len(), 1, "{:#?}", proxy.requests());
        let start: u64 =
            ranges[0].strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap();
        assert!((900_000..=1_000_000).contains(&start), "{start}");
    }
}

#[test]
fn c56_a_tree_of_small_files_survives_three_cuts() {
    for nix in nixes() {
        let mut store = FixtureStore::new();
        let files = (0..300)
            .map(|n| (format!("file-{n:03}"), Tree::file(format!("{n}\n").repeat(2000 + 7 * n))));
        let path = store.add("many", Tree::directory(files));
        let server = serve(&store);
        let proxy = Proxy::cutting(server.address(), 3, 700_001);
        let client = nix.client().substituting_from(&proxy.url(), PUBLIC_KEY);
        client.realise([full(&path)]).success();
        assert!(client.dump(&client.real_path(path.as_str())) == store.nar(&path));
        assert_eq!(ranges(&proxy).len(), 3, "{:#?}", proxy.requests());
    }
}

fn ranges(proxy: &Proxy) -> Vec<String> {
    let requests = proxy.requests();
    requests.iter().filter_map(|request| request.header("range")).map(ToOwned::to_owned).collect()
}

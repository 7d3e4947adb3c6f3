//! Several caches of one store, by host name and by path.

use std::fs;

use rns_testing::{
    Server, Standard,
    http::{Request, Response},
};
use rustix::process::Signal;

use crate::{
    connections::kept::random,
    support::private::client_with_token,
    support::private::{UNKNOWN, create, get_with, with_token},
    support::twins::{ready, reconfigure},
    support::write_key,
    support::{
        PUBLIC_KEY, SECRET_KEY, assert_refusal, assert_refuses_to_start, eventually, field, full,
        narinfo_of, nixes, server, without_date,
    },
};

const OTHER_SECRET_KEY: &str = "other-1:R9/G623S12Y+jcmmi8SHlHG7aIwAY/8hoI6/LHFpTvTJa0GqLk8Q8RFUWB70QSAU3GHSWoJNfrt9AdBzKPji0g==";

/// A public cache of everything but `tree`; a private one of `top` below a path, with a key of its own; and one of
/// `itself` for the host names `localhost` and `b.example.org`.
struct Several {
    standard: Standard,
    server: Server,
    token: String,
}

impl Several {
    fn new() -> Self {
        let standard = Standard::new();
        let builder = server().store(&standard.store).keys([SECRET_KEY]);
        let tokens = builder.scratch().join("tokens");
        let token = create(&tokens, "a", &[]);
        let key = builder.scratch().join("other.key");
        write_key(&key, OTHER_SECRET_KEY);
        let section = format!(
            "[cache_info]\npriority = 41\n[expose]\neverything = true\ndeny = [\"tree\"]\n\
             [access]\nanonymous = [\"read\", \"metrics\"]\nfailure_delay = \"0s\"\n\
             [cache.team-a]\npath = \"/team-a\"\npriority = 11\n\
             [cache.team-a.signing]\nkeys = [{key:?}]\n\
             [cache.team-a.access]\ntokens = {tokens:?}\n\
             [cache.team-a.expose]\nroots = [{:?}]\n\
             [cache.b]\nhosts = [\"localhost\", \"B.example.org\"]\nwant_mass_query = false\n\
             [cache.b.access]\nanonymous = [\"read\"]\n\
             [cache.b.expose]\nnames = [\"self-*\"]\n",
            full(&standard.top)
        );
        let server = ready(builder.section(&section));
        Self { standard, server, token }
    }

    fn at(&self, host: &str, target: &str) -> Response {
        self.server.connect().send(&Request::get(target).host(host))
    }

    fn team_a(&self, target: &str) -> Response {
        get_with(&self.server, &self.token, &format!("/team-a{target}"))
    }
}

fn priority(cache_info: &Response) -> &str {
    cache_info.ok();
    field(cache_info, "Priority").unwrap()
}

#[test]
fn requests_for_several_caches_on_one_connection_are_told_apart() {
    let several = Several::new();
    let Several { standard, server, token } = &several;
    let mut requests = Vec::new();
    for path in [&standard.top, &standard.itself, &standard.tree] {
        for place in ["", "/team-a", "//team-a", "/team-ab"] {
            let target = format!("{place}{}", narinfo_of(path));
            for host in ["cache.test", "localhost", "localhost:80", "b.EXAMPLE.org.", "other"] {
                let get = Request::get(&target).host(host);
                requests.extend([with_token(get.clone(), token), get]);
            }
        }
    }
    let alone: Vec<_> = requests.iter().map(|request| server.connect().send(request)).collect();
    for status in [200, 401, 404] {
        assert!(alone.iter().any(|answer| answer.status() == status), "{status}");
    }
    let (mut connection, mut state) = (server.connect(), 4);
    for _ in 0..2000 {
        let chosen = random(&mut state) % requests.len();
        let (answer, request) = (connection.send(&requests[chosen]), &requests[chosen]);
        assert_eq!(answer.status(), alone[chosen].status(), "{request:?}");
        assert_eq!(without_date(&answer), without_date(&alone[chosen]), "{request:?}");
        assert_eq!(answer.body, alone[chosen].body, "{request:?}");
    }
}

#[test]
fn each_cache_has_its_own_priority_keys_paths_and_clients() {
    let several = Several::new();
    let Several { standard, server, .. } = &several;
    let (top, itself, tree) =
        (narinfo_of(&standard.top), narinfo_of(&standard.itself), narinfo_of(&standard.tree));

    assert_eq!(priority(&server.get("/nix-cache-info")), "41");
    let narinfo = server.get(&top);
    assert!(field(&narinfo, "Sig").unwrap().starts_with("test-1:"));
    server.get(&itself).ok();
    assert_refusal(&server.get(&tree), 404);

    assert_eq!(priority(&several.team_a("/nix-cache-info")), "11");
    let narinfo = several.team_a(&top);
    assert!(field(&narinfo, "Sig").unwrap().starts_with("other-1:"));
    assert_refusal(&several.team_a(&itself), 404);
    assert_refusal(&several.team_a(&tree), 404);
    let nar = several.team_a(&format!("/{}", field(&narinfo, "URL").unwrap()));
    assert!(nar.ok() == standard.store.nar(&standard.top));
    assert!(several.team_a("/pubkey").text().starts_with("other-1:"));
    assert_refusal(&server.get(&format!("/team-a{top}")), 401);
    assert_refusal(&get_with(server, UNKNOWN, &format!("/team-a{top}")), 401);

    for host in ["b.example.org", "B.EXAMPLE.ORG:8080", "b.example.org."] {
        let info = several.at(host, "/nix-cache-info");
        assert_eq!((priority(&info), field(&info, "WantMassQuery")), ("41", Some("0")), "{host}");
        several.at(host, &itself).ok();
        assert_refusal(&several.at(host, &top), 404);
        assert_refusal(&several.at(host, &tree), 404);
        // The path belongs to unknown hosts.
        assert_refusal(&several.at(host, "/team-a/nix-cache-info"), 404);
    }
}

#[test]
fn an_unknown_host_is_answered_by_the_cache_without_a_name() {
    let several = Several::new();
    for host in ["unknown.example.org", "xb.example.org", "b.example.org.evil", "", "127.0.0.1:1"] {
        assert_eq!(priority(&several.at(host, "/nix-cache-info")), "41", "{host}");
        assert_refusal(&several.at(host, &narinfo_of(&several.standard.tree)), 404);
    }
    let proxied = Request::get("/nix-cache-info").header("X-Forwarded-Host", "b.example.org");
    let answer = several.server.connect().send(&proxied);
    assert_eq!(field(&answer, "WantMassQuery"), Some("1"), "only `Host` counts");
}

#[test]
fn a_prefix_is_a_whole_segment_and_cannot_be_disguised() {
    let several = Several::new();
    let top = narinfo_of(&several.standard.top);
    for target in ["/team-ab", "/TEAM-A", "/x/team-a", "/team-a%2f", "/te%61m-a", "/team-a/team-a"]
    {
        let answer = several.server.get(&format!("{target}/nix-cache-info"));
        assert!(matches!(answer.status(), 401 | 404), "{target}: {answer:?}");
    }
    several.team_a("//nix-cache-info").ok();
    assert_refusal(&several.server.get(&format!("//team-a{top}")), 401);
    // The way out of a cache does not lead into another.
    for target in ["/team-a/..", "/team-a/%2e%2e", "/team-a/x/../.."] {
        assert_refusal(&several.server.get(&format!("{target}{top}")), 401);
    }
}

#[test]
fn the_page_names_the_cache_that_it_is_the_page_of() {
    let several = Several::new();
    let address = several.server.address();
    let page = several
        .server
        .connect()
        .send(&with_token(Request::get("/team-a/").host(address.to_string()), &several.token));
    let url = format!("http://{address}/team-a");
    assert!(page.text().contains(&format!("extra-substituters = {url}\n")), "{}", page.text());
    assert!(page.text().contains("other-1:") && !page.text().contains("test-1:"));
    let page = several.at("b.example.org", "/");
    assert!(page.text().contains("extra-substituters = http://b.example.org\n"), "{}", page.text());
}

#[test]
fn files_are_browsed_below_the_path_of_a_cache() {
    let several = Several::new();
    let serve = format!("/serve/{}", several.standard.top.hash_part());
    let answer = several.team_a(&serve);
    assert_eq!(answer.ok(), several.team_a(&serve).ok());
    assert_refusal(
        &several.team_a(&format!("/serve/{}/", several.standard.itself.hash_part())),
        404,
    );
}

#[test]
fn real_nix_substitutes_from_a_path_and_from_a_host_name() {
    let other = rns_formats::SecretKey::parse(OTHER_SECRET_KEY).unwrap().public_key().to_string();
    for nix in nixes() {
        let several = Several::new();
        let Several { standard, server, token } = &several;
        let by_path = client_with_token(&nix, &format!("{}/team-a", server.url()), token)
            .option("trusted-public-keys", other.as_str());
        by_path.realise([full(&standard.top)]).success();
        for path in [&standard.top, &standard.dep] {
            assert!(by_path.dump(&by_path.real_path(path.as_str())) == standard.store.nar(path));
        }
        by_path.realise([full(&standard.itself)]).failure();

        // The trailing slash makes no difference.
        let slash = client_with_token(&nix, &format!("{}/team-a/", server.url()), token)
            .option("trusted-public-keys", other.as_str());
        slash.realise([full(&standard.dep)]).success();

        let url = format!("http://localhost:{}", server.address().port());
        let by_host = nix.client().substituting_from(&url, PUBLIC_KEY);
        by_host.realise([full(&standard.itself)]).success();
        by_host.realise([full(&standard.top)]).failure();
    }
}

#[test]
fn a_reload_adds_changes_and_removes_caches_without_cutting_a_download() {
    let several = Several::new();
    let Several { standard, mut server, token } = several;
    let file = server.scratch().join("config.toml");
    let before = fs::read_to_string(&file).unwrap();
    let target = format!("/nar/{}.nar", standard.blob.hash_part());
    let mut download = server.connect();
    let (head, mut body) = download.start(&Request::get(&target));
    assert_eq!(head.status, 200);

    let new =
        "[cache.new]\npath = \"/new\"\nexpose.everything = true\naccess.anonymous = [\"read\"]\n";
    let changed = before
        .replace("priority = 11", "priority = 12")
        .replace("[cache.b]", &format!("{new}[cache.b]"));
    fs::write(&file, changed.replace("\"B.example.org\"", "\"c.example.org\"")).unwrap();
    server.signal(Signal::HUP);
    server.wait_for_line("reloaded");
    assert_eq!(priority(&get_with(&server, &token, "/team-a/nix-cache-info")), "12");
    server.get(&format!("/new{}", narinfo_of(&standard.tree))).ok();
    let mass_query = |host: &str| {
        let answer = server.connect().send(&Request::get("/nix-cache-info").host(host));
        field(&answer, "WantMassQuery").unwrap().to_owned()
    };
    assert_eq!(
        (mass_query("c.example.org"), mass_query("b.example.org")),
        ("0".into(), "1".into())
    );

    // A bad one changes nothing.
    reconfigure(&file, "path = \"/new\"", "path = \"/nar\"");
    server.signal(Signal::HUP);
    server.wait_for_line("`nar` is a name within a cache");
    server.get(&format!("/new{}", narinfo_of(&standard.tree))).ok();

    fs::write(&file, before).unwrap();
    server.signal(Signal::HUP);
    eventually(|| server.get("/new/nix-cache-info").status() == 404);
    eventually(|| priority(&get_with(&server, &token, "/team-a/nix-cache-info")) == "11");

    let (mut read, mut buffer) = (0, vec![0; 1 << 16]);
    loop {
        match download.read_body(&mut body, &mut buffer) {
            0 => break,
            more => read += more,
        }
    }
    assert_eq!(
        (read as u64, body.ended()),
        (standard.store.info(&standard.blob).nar_size, Some(true))
    );
}

#[test]
fn two_reloads_in_a_row_end_with_the_last() {
    let several = Several::new();
    let Several { mut server, token, .. } = several;
    let file = server.scratch().join("config.toml");
    for (old, new) in [("11", "12"), ("12", "13"), ("13", "14")] {
        reconfigure(&file, &format!("priority = {old}"), &format!("priority = {new}"));
        server.signal(Signal::HUP);
    }
    eventually(|| priority(&get_with(&server, &token, "/team-a/nix-cache-info")) == "14");
    server.wait_for_line("reloaded");
    assert_eq!(priority(&get_with(&server, &token, "/team-a/nix-cache-info")), "14");
}

#[test]
fn a_cache_that_does_not_say_what_it_shows_is_refused() {
    let standard = Standard::new();
    for (section, complaint) in [
        (
            "[cache.a]\npath = \"/a\"\nexpose.everything = true",
            "must choose the paths that the cache without a name shows",
        ),
        (
            "[expose]\neverything = true\n[cache.a]\npath = \"/a\"",
            "a named cache must choose the paths that it shows",
        ),
        ("[expose]\neverything = true\n[cache.A]\npath = \"/a\"", "`A` cannot name a table"),
    ] {
        let (mut process, _scratch) = server().store(&standard.store).section(section).spawn();
        assert_refuses_to_start(&mut process, complaint);
    }
}

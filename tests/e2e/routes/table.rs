//! Every route with every method, for every kind of client, in caches of every kind: the table of answers.

use std::collections::BTreeSet;

use rns_formats::url::{self, Resource};
use rns_testing::{
    Server,
    http::{Connection, Request, Response},
};

use crate::{
    support::private::{UNKNOWN, create, create_expired, with_token},
    support::twins::{Package, Twins, assert_alike, ready},
    support::without_date,
};

const METHODS: [&str; 10] =
    ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "BREW"];

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Nobody,
    Wrong,
    Expired,
    Reader,
    Pusher,
    Watcher,
}

const ROLES: [Role; 6] =
    [Role::Nobody, Role::Wrong, Role::Expired, Role::Reader, Role::Pusher, Role::Watcher];

/// The caches: the path each is under, whether anonymous clients may read it, and whether it shows everything.
const CACHES: [(&str, bool, bool); 4] = [
    ("/open", true, true),
    ("/closed", false, true),
    ("/open-part", true, false),
    ("/closed-part", false, false),
];

/// The answers to clients that may, and to all others, in the order of `ROLES`. 200 stands for the answer itself.
type Statuses = [u16; 6];

//                           nobody wrong expired reader pusher watcher
const READ_OPEN: Statuses = [200, 200, 200, 200, 200, 200];
const READ_CLOSED: Statuses = [401, 401, 401, 200, 403, 403];
const WATCH: Statuses = [401, 401, 401, 403, 403, 200];
const ANYBODY: Statuses = [200, 200, 200, 200, 200, 200];

/// Who may have something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    Readers,
    Watchers,
    Everybody,
}

impl For {
    const fn statuses(self, open: bool) -> Statuses {
        match (self, open) {
            (Self::Readers, true) => READ_OPEN,
            (Self::Readers, false) => READ_CLOSED,
            (Self::Watchers, _) => WATCH,
            (Self::Everybody, _) => ANYBODY,
        }
    }
}

/// The table: a route that the grammar gets anew has to be added here, and to `targets` below, before the tests can be
/// built and pass.
const fn row(resource: &Resource) -> (&'static str, For) {
    match resource {
        Resource::Root => ("root", For::Readers),
        Resource::CacheInfo => ("cache info", For::Readers),
        Resource::NarInfo { .. } => ("narinfo", For::Readers),
        Resource::Listing(_) => ("listing", For::Readers),
        Resource::Nar(_) => ("nar", For::Readers),
        Resource::Log(_) => ("log", For::Readers),
        Resource::BuildTrace { .. } => ("build trace", For::Readers),
        Resource::Realisation(_) => ("realisation", For::Readers),
        Resource::DebugInfo(_) => ("debug info", For::Readers),
        Resource::Serve { .. } => ("serve", For::Readers),
        // No storage, no roots.
        Resource::GcRoots | Resource::GcRoot(_) | Resource::NoGcRoot(_) => ("roots", For::Readers),
        Resource::PublicKeys => ("public keys", For::Readers),
        Resource::CacheConfig => ("cache config", For::Everybody),
        Resource::SamplePath => ("sample path", For::Readers),
        Resource::Version => ("version", For::Readers),
        Resource::Healthz => ("healthz", For::Everybody),
        Resource::Readyz => ("readyz", For::Everybody),
        Resource::MissingPaths => ("missing", For::Readers),
        Resource::Metrics => ("metrics", For::Watchers),
    }
}

/// The routes of the table.
const ROUTES: usize = 19;

/// Something to ask for, and whether it is there in a cache of everything, and in one of a part.
struct Target {
    path: String,
    in_all: bool,
    in_part: bool,
}

fn targets(twins: &Twins) -> Vec<Target> {
    let of = |package: &Package, in_all: bool, in_part: bool| {
        let paths = package.targets().into_iter();
        paths.map(move |path| {
            // Nothing is compressed here.
            let is_nar = !path.ends_with(".zst");
            Target { path, in_all: in_all && is_nar, in_part: in_part && is_nar }
        })
    };
    let fixed = [
        "/",
        "/nix-cache-info",
        "/pubkey",
        "/api/cache-config",
        "/api/sample-path",
        "/version",
        "/healthz",
        "/health",
        "/readyz",
        "/metrics",
    ];
    let nothing = [
        "/missing",
        "/api",
        "/api/cache-config/x",
        "/gcroots",
        "/gcroots/main",
        "/gcroots/a%20b",
        "/nowhere",
        "/nar/x",
        "/serve/x",
        "/%00",
        "/..",
        "/log/",
        "/.well-known/x",
    ];
    of(&twins.shown, true, true)
        .chain(of(&twins.hidden, true, false))
        .chain(of(&twins.missing, false, false))
        .chain(fixed.map(|path| Target { path: path.to_owned(), in_all: true, in_part: true }))
        .chain(nothing.map(|path| Target { path: path.to_owned(), in_all: false, in_part: false }))
        .collect()
}

fn resource(target: &str) -> Option<Resource> {
    let (path, query) =
        target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    url::parse(path, query)
}

/// The answer of the table to a request.
fn expected(target: &Target, method: &str, role: Role, open: bool, everything: bool) -> u16 {
    // A path that is no name needs the permission to read.
    let needs = resource(&target.path).map_or(For::Readers, |resource| row(&resource).1);
    let place = ROLES.iter().position(|other| *other == role).unwrap();
    let is_there = if everything { target.in_all } else { target.in_part };
    match needs.statuses(open)[place] {
        // Health checks use any method.
        200 if !matches!(method, "GET" | "HEAD") && !is_health(&target.path) => 405,
        200 if !is_there => 404,
        // A directory without a slash at its end.
        200 if is_redirect(&target.path) => 308,
        status => status,
    }
}

fn is_health(target: &str) -> bool {
    matches!(resource(target), Some(Resource::Healthz | Resource::Readyz))
}

fn is_redirect(target: &str) -> bool {
    target.strip_prefix("/serve/").is_some_and(|rest| !rest.contains('/'))
}

struct World {
    twins: Twins,
    server: Server,
    tokens: Vec<Option<String>>,
}

impl World {
    fn new() -> Self {
        let twins = Twins::new();
        let builder = twins.builder();
        let file = builder.scratch().join("tokens");
        let tokens = ROLES.map(|role| match role {
            Role::Nobody => None,
            Role::Wrong => Some(UNKNOWN.to_owned()),
            Role::Expired => Some(create_expired(&file, "expired")),
            Role::Reader => Some(create(&file, "reader", &["--allow", "read"])),
            Role::Pusher => Some(create(&file, "pusher", &["--allow", "push"])),
            Role::Watcher => Some(create(&file, "watcher", &["--allow", "metrics"])),
        });
        let mut section =
            "[access]\nfailure_delay = \"0s\"\nanonymous = []\n[expose]\neverything = false\n"
                .to_owned();
        for (path, open, everything) in CACHES {
            let anonymous = if open { "[\"read\"]" } else { "[]" };
            let expose = if everything {
                "everything = true".to_owned()
            } else {
                format!("roots = [{:?}]", twins.profile)
            };
            let name = &path[1..];
            section += &format!(
                "[cache.{name}]\npath = \"{path}\"\n[cache.{name}.access]\nanonymous = {anonymous}\n\
                 tokens = {file:?}\n[cache.{name}.expose]\n{expose}\n"
            );
        }
        let server = ready(builder.section(&section));
        Self { twins, server, tokens: tokens.to_vec() }
    }

    fn ask(&self, role: Role, connection: &mut Connection, method: &str, target: &str) -> Response {
        let request = Request::new(method, target);
        let place = ROLES.iter().position(|other| *other == role).unwrap();
        connection.send(&match &self.tokens[place] {
            None => request,
            Some(token) => with_token(request, token),
        })
    }
}

#[test]
fn every_route_answers_everybody_as_the_table_says() {
    let world = World::new();
    let targets = targets(&world.twins);
    let routes: BTreeSet<_> = targets
        .iter()
        .filter_map(|target| resource(&target.path))
        .map(|found| row(&found).0)
        .collect();
    assert_eq!(routes.len(), ROUTES, "a route is not asked for: {routes:?}");
    let mut wrong = Vec::new();
    let mut asked = 0;
    for (cache, open, everything) in CACHES {
        for role in ROLES {
            let mut connection = world.server.connect();
            for target in &targets {
                for method in METHODS {
                    let name = format!("{cache}{}", target.path);
                    let answer = world.ask(role, &mut connection, method, &name);
                    let expected = expected(target, method, role, open, everything);
                    if answer.status() != expected {
                        wrong.push(format!(
                            "{role:?}: {method} {name} is {}, not {expected}",
                            answer.status()
                        ));
                    }
                    asked += 1;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn who_may_not_learns_nothing_from_the_answer() {
    let world = World::new();
    let mut connection = world.server.connect();
    for cache in ["/closed", "/closed-part"] {
        for role in [Role::Nobody, Role::Wrong, Role::Expired, Role::Pusher, Role::Watcher] {
            let nothing = world.ask(role, &mut connection, "GET", &format!("{cache}/nowhere"));
            for target in targets(&world.twins) {
                // The answers that all roles get, and watchers, are not about the cache.
                if resource(&target.path).is_some_and(|found| row(&found).1 != For::Readers) {
                    continue;
                }
                let name = format!("{cache}{}", target.path);
                let answer = world.ask(role, &mut connection, "GET", &name);
                assert_alike(&answer, &nothing, &format!("{role:?}: {name}"));
                for method in METHODS.iter().filter(|method| **method != "HEAD") {
                    let answer = world.ask(role, &mut connection, method, &name);
                    assert_alike(&answer, &nothing, &format!("{role:?}: {method} {name}"));
                }
                let head = world.ask(role, &mut connection, "HEAD", &name);
                assert_eq!(without_date(&head), without_date(&nothing), "{role:?}: HEAD {name}");
            }
        }
    }
}

#[test]
fn a_reader_cannot_tell_hidden_from_missing() {
    let world = World::new();
    let Twins { hidden, missing, .. } = &world.twins;
    for (cache, role) in [("/open-part", Role::Nobody), ("/closed-part", Role::Reader)] {
        let mut connection = world.server.connect();
        for (hidden, missing) in hidden.targets().iter().zip(missing.targets()) {
            for method in METHODS {
                let hidden = world.ask(role, &mut connection, method, &format!("{cache}{hidden}"));
                let missing =
                    world.ask(role, &mut connection, method, &format!("{cache}{missing}"));
                assert_alike(&hidden, &missing, &format!("{method} {cache}"));
            }
        }
    }
}

//! The queue: filled by hooks and watchers, drained by a daemon, through everything that can go wrong.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rns_formats::StorePath;
use rns_testing::{
    Finished, FixtureStore, Nix, Process, Scratch, Standard, Tree, lasting_port, run,
};
use rustix::process::Signal;

use super::{PUSH_TIMEOUT, program};
use crate::{
    support::{eventually, full, narinfo_of, private::create, times, within},
    uploads::Pushable,
};

/// A queue in a directory of its own.
pub(super) struct Place {
    pub(super) scratch: Scratch,
    pub(super) file: PathBuf,
}

impl Place {
    pub(super) fn new() -> Self {
        let scratch = Scratch::new();
        let file = scratch.join("queue/queue.sqlite");
        Self { scratch, file }
    }

    pub(super) fn queue(&self, arguments: &[&str]) -> Finished {
        let mut command = program(&["queue"]);
        run(command.args(arguments).arg("--queue").arg(&self.file), PUSH_TIMEOUT)
    }

    /// Adds paths as Nix has the hook do it.
    pub(super) fn hook(&self, paths: &[&StorePath]) -> Finished {
        let paths: Vec<String> = paths.iter().map(|path| full(path)).collect();
        let mut command = program(&["queue", "add"]);
        command.env("OUT_PATHS", paths.join(" ")).env("RUST_NIX_SERVE_QUEUE", &self.file);
        run(&mut command, PUSH_TIMEOUT)
    }

    pub(super) fn waiting(&self) -> u64 {
        let status = self.queue(&["status", "--json"]).success().text();
        let text = status.split("\"waiting\":").nth(1).unwrap();
        text.split(',').next().unwrap().trim().parse().unwrap()
    }

    pub(super) fn drain(&self, store: &FixtureStore, to: &str, more: &[&str]) -> Finished {
        let root = store.root().to_str().unwrap();
        self.queue(&[&["drain", "--store", root, "--to", to], more].concat())
    }

    /// Starts a daemon.
    pub(super) fn daemon(
        &self,
        command: &[&str],
        store: &FixtureStore,
        to: &str,
        token: &Path,
    ) -> Process {
        let root = store.root().to_str().unwrap();
        let mut program = program(command);
        program.args(["--store", root, "--to", to, "--token-file"]).arg(token);
        Process::start(program.arg("--queue").arg(&self.file))
    }
}

/// A cache whose server can be stopped and come back at the same address.
pub(super) struct Away {
    scratch: Scratch,
    port: u16,
    tokens: PathBuf,
    pub(super) token: String,
}

impl Away {
    pub(super) fn new() -> Self {
        let scratch = Scratch::new();
        fs::create_dir(scratch.join("cache")).unwrap();
        let port = lasting_port();
        let tokens = scratch.join("tokens");
        let token = create(&tokens, "ci", &["--allow", "push"]);
        Self { scratch, port, tokens, token }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn start(&self, store_dir: &str) -> rns_testing::Server {
        let directory = format!("file://{}", self.scratch.join("cache").display());
        let listen = format!("127.0.0.1:{}", self.port);
        crate::support::server()
            .listen([listen.as_str()])
            .store_flag("enabled", false)
            .store_key("dir", store_dir)
            .section(&format!("[storage]\nurl = {directory:?}\n[access]\ntokens = {:?}\nanonymous = [\"read\", \"metrics\"]", self.tokens))
            .start()
    }

    /// How often paths were published, and how many different ones.
    fn published(&self) -> (usize, usize) {
        let index = self.scratch.join("cache/.rust-nix-serve/index.sqlite");
        let question = "select count(*), count(distinct hash) from pushes";
        let index = rns_testing::open_sqlite(&index);
        let counts = index.query_row(question, [], |row| Ok((row.get(0)?, row.get(1)?)));
        let counts: (i64, i64) = counts.unwrap();
        (counts.0 as usize, counts.1 as usize)
    }

    fn narinfos(&self) -> usize {
        let names = fs::read_dir(self.scratch.join("cache")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".narinfo")).count()
    }
}

#[test]
fn a_hook_never_fails_and_says_what_it_could_not_do() {
    let (standard, place) = (Standard::new(), Place::new());
    assert_eq!(place.hook(&[&standard.top, &standard.blob]).success().stderr, "");
    place.hook(&[&standard.top]).success();
    assert_eq!(place.waiting(), 2);
    place.hook(&[]).success();
    let nowhere = Place { file: "/dev/null/queue.sqlite".into(), ..Place::new() };
    let told = nowhere.hook(&[&standard.top]).success();
    assert!(told.stderr.contains("not queued") && told.stderr.contains("top.txt"), "{told:?}");
    let mut wrong = program(&["queue", "add", "/etc/passwd", "--queue"]);
    let told = run(wrong.arg(&place.file), PUSH_TIMEOUT).success();
    assert!(told.stderr.contains("/etc/passwd is no store path"), "{told:?}");
}

#[test]
fn a_hook_waits_for_no_lock_and_what_it_adds_is_not_lost() {
    let (standard, place) = (Standard::new(), Place::new());
    place.hook(&[&standard.top]).success();
    let other = rns_testing::open_sqlite(&place.file);
    other.execute_batch("begin immediate").unwrap();
    let told = place.hook(&[&standard.blob, &standard.link]).success();
    assert_eq!(told.stderr, "");
    other.execute_batch("rollback").unwrap();
    assert_eq!(place.waiting(), 3);
}

#[test]
fn the_hook_of_root_follows_no_link_of_the_user_whose_queue_it_is() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (standard, place) = (Standard::new(), Place::new());
    let queue = place.file.parent().unwrap();
    let roots_own = place.scratch.join("roots-own");
    fs::create_dir_all(queue).unwrap();
    fs::create_dir_all(&roots_own).unwrap();
    // That user reaches both.
    let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(place.scratch.path(), everyone).unwrap();
    std::os::unix::fs::chown(queue, Some(65534), Some(65534)).unwrap();
    std::os::unix::fs::symlink(roots_own.join("target"), &place.file).unwrap();
    let told = place.hook(&[&standard.top]).success().stderr;
    assert_eq!(told.lines().count(), 1, "{told}");
    assert_eq!(fs::read_dir(&roots_own).unwrap().count(), 0);

    fs::remove_file(&place.file).unwrap();
    assert_eq!(place.hook(&[&standard.top]).success().stderr, "");
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&place.file).unwrap());
    assert_eq!(owner, 65534);
    // The paths that a locked queue does not take are left beside it, and no link leads them elsewhere.
    std::os::unix::fs::symlink(&roots_own, queue.join("queue.added")).unwrap();
    let other = rns_testing::open_sqlite(&place.file);
    other.execute_batch("begin immediate").unwrap();
    let told = place.hook(&[&standard.blob]).success().stderr;
    assert_eq!(told.lines().count(), 1, "{told}");
    assert_eq!(fs::read_dir(&roots_own).unwrap().count(), 0);
    drop(other);
    fs::remove_file(queue.join("queue.added")).unwrap();
    assert_eq!(place.waiting(), 1);
    let refused = place.drain(&standard.store, "http://127.0.0.1:1", &[]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(refused.stderr.contains("belongs to another user"), "{}", refused.stderr);
}

#[test]
fn a_full_disk_costs_one_line() {
    let (standard, place) = (Standard::new(), Place::new());
    place.hook(&[&standard.top]).success();
    let outputs = [&standard.blob, &standard.link].map(full).join(" ");
    let mut shell = Command::new("sh");
    // No file may grow.
    shell.args(["-c", r#"trap '' XFSZ; ulimit -f 0; exec "$0" queue add"#]);
    shell.arg(env!("CARGO_BIN_EXE_rust-nix-serve"));
    shell.env("OUT_PATHS", outputs).env("RUST_NIX_SERVE_QUEUE", &place.file);
    let told = run(&mut shell, PUSH_TIMEOUT).success().stderr;
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains("blob.bin") && told.contains("link"), "{told}");
    assert_eq!(place.waiting(), 1);
    // The next one goes in, and the older ones are whole.
    place.hook(&[&standard.blob]).success();
    assert_eq!(place.waiting(), 2);
}

#[test]
fn a_drain_tells_what_is_left_and_the_queue_can_be_edited() {
    let (standard, place, cache) = (Standard::new(), Place::new(), Pushable::new());
    place.hook(&[&standard.top, &standard.executable]).success();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = place.drain(&standard.store, &format!("http://{free}"), &[]);
    assert_eq!(away.status.code(), Some(3), "{away:?}");
    assert_eq!(place.waiting(), 2);
    let wrong = cache.server.url().replace("://", "://ci:rns_wrong@");
    assert_eq!(place.drain(&standard.store, &wrong, &[]).status.code(), Some(1));
    let mistaken = place.drain(&standard.store, "ftp://cache.example.org", &[]);
    assert_eq!(mistaken.status.code(), Some(2), "{mistaken:?}");
    // A reason that is not theirs is not held against the paths.
    assert!(place.queue(&["status"]).success().text().starts_with("2 paths wait, the oldest for"));

    let some = create(&cache.tokens, "some", &["--allow", "push", "--paths", "*.txt"]);
    super::await_token(&cache, &some);
    let to = cache.server.url().replace("://", &format!("://ci:{some}@"));
    let done = place.drain(&standard.store, &to, &[]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let status = place.queue(&["status"]).success().text();
    assert!(status.contains("1 path waits") && status.contains("not among the names"), "{status}");
    let json = place.queue(&["status", "--json"]).success().text();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    // As in all other JSON: 2026-11-27T19:30:00Z.
    for time in [&json["oldest"], &json["failures"][0]["nextTry"]] {
        let time = time.as_str().unwrap();
        assert!(time.starts_with("20") && time.contains('T') && time.ends_with('Z'), "{time}");
    }
    place.queue(&["retry"]).success();
    place.drain(&standard.store, &cache.url(), &[]).success();
    assert_eq!(cache.server.get(&narinfo_of(&standard.executable)).status(), 200);
    assert_eq!(place.queue(&["status"]).success().text(), "nothing waits\n");

    place.hook(&[&standard.top, &standard.blob, &standard.link]).success();
    place.queue(&["drop", &full(&standard.blob)]).success();
    assert_eq!(place.queue(&["drop", &full(&standard.blob)]).status.code(), Some(1));
    assert_eq!(place.waiting(), 2);
    place.queue(&["drop", "--all"]).success();
    assert_eq!(place.waiting(), 0);
}

#[test]
fn a_daemon_waits_for_the_cache_and_for_the_right_token() {
    let (mut standard, place, away) = (Standard::new(), Place::new(), Away::new());
    let store_dir = standard.store.store_dir().as_str().to_owned();
    let token = place.scratch.write("token", "rns_wrong\n");
    place.hook(&[&standard.itself, &standard.blob]).success();
    let run = ["queue", "run"];
    let mut daemon = place.daemon(&run, &standard.store, &away.url(), &token);
    daemon.wait_for_line(&format!("pushes it to {}/: 2 paths wait", away.url()));
    daemon.wait_for_line("cannot be reached");
    // Others come while nothing gets through.
    place.hook(&[&standard.top]).success();
    let _server = away.start(&store_dir);
    assert_eq!(place.waiting(), 3);
    // It is killed in the middle, and the machine comes up again.
    daemon.signal(Signal::KILL);
    drop(daemon);
    let mut daemon = place.daemon(&run, &standard.store, &away.url(), &token);
    daemon.wait_for_line("does not know this credential");
    fs::write(&token, &away.token).unwrap();
    eventually(|| place.waiting() == 0);
    assert_eq!(away.narinfos(), 4);
    let late = standard.store.add("late", Tree::file("late"));
    place.hook(&[&late]).success();
    eventually(|| place.waiting() == 0);
    assert_eq!(away.published(), (5, 5), "nothing twice");
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(Duration::from_secs(20)).success());
}

#[test]
fn builds_go_on_while_the_cache_is_away_and_everything_is_pushed_in_the_end() {
    let Some(nix) = Nix::v2_34() else { return };
    let builds = times("RNS_BUILDS", 6, 200) as usize;
    let (place, away) = (Place::new(), Away::new());
    let hook = place.scratch.write(
        "hook",
        format!(
            "#!/bin/sh\nexec {} queue add --queue {}\n",
            env!("CARGO_BIN_EXE_rust-nix-serve"),
            place.file.display()
        ),
    );
    fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let client =
        nix.client().with_own_store_dir().option("post-build-hook", hook.to_str().unwrap());
    let expression = format!(
        "builtins.genList (n: derivation {{
           name = \"built-${{toString n}}\";
           system = builtins.currentSystem;
           builder = \"/bin/sh\";
           args = [ \"-c\" \"echo ${{toString n}} > $out\" ];
         }}) {builds}"
    );
    let file = client.scratch().write("default.nix", expression);
    let own = |path: &str| client.root().join(path).to_str().unwrap().to_owned();
    let store = format!(
        "[store]\ndir = {0:?}\nreal_dir = {0:?}\ndatabase = {1:?}\ndaemon_socket = \"none\"\n",
        own("store"),
        own("state/db/db.sqlite")
    );
    let config = place.scratch.write("config.toml", store);
    let token = place.scratch.write("token", "rns_wrong\n");
    let daemon = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rust-nix-serve"));
        command.args(["queue", "run", "--to", &away.url(), "--config"]).arg(&config);
        command.arg("--token-file").arg(&token).arg("--queue").arg(&place.file);
        Process::start(&mut command)
    };
    let mut first = daemon();
    first.wait_for_line("nothing waits");
    let built = client.run("nix-build", ["--no-out-link", "-j4", file.to_str().unwrap()]).success();
    let outputs: Vec<String> = built.text().lines().map(str::to_owned).collect();
    assert_eq!(outputs.len(), builds);
    assert_eq!(place.waiting(), builds as u64);
    first.wait_for_line("cannot be reached");
    // It is killed, as by a reboot. Then the cache is back, and wants another token.
    drop(first);
    let server = away.start(&own("store"));
    let mut second = daemon();
    second.wait_for_line("does not know this credential");
    fs::write(&token, &away.token).unwrap();
    within(PUSH_TIMEOUT, || away.narinfos() > 0);
    // Once more, in the middle of a push.
    drop(second);
    let _third = daemon();
    within(PUSH_TIMEOUT, || place.waiting() == 0);
    assert_eq!(away.narinfos(), builds);
    assert_eq!(away.published(), (builds, builds), "nothing twice");
    let reader = nix.client().env("NIX_STORE_DIR", own("store"));
    let arguments = ["copy", "--no-check-sigs", "--from", server.url()].map(str::to_owned);
    reader.nix_command(arguments.into_iter().chain(outputs)).success();
}

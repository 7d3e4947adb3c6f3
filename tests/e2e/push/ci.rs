//! The recipes of docs/ci.md, run as their services run them, with tokens of an issuer.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::fs::symlink,
    process::Command,
    thread,
};

use rns_testing::{Issuer, Scratch, SigningKey, Standard, claims, http::Request, run};
use serde_json::{Value, json};

use super::{PUSH_TIMEOUT, assert_read, program};
use crate::{
    support::{full, is_installed, nixes, private::with_token},
    uploads::Pushable,
};

const RECIPES: &str = include_str!("../../../docs/ci.md");

const AUDIENCE: &str = "https://cache.example.org";

/// The last script of the block below this heading, without its indentation.
fn script(heading: &str) -> String {
    let (_, section) = RECIPES.split_once(&format!("\n## {heading}\n")).unwrap();
    let block = section.split("```").nth(1).unwrap();
    let (_, lines) = block.rsplit_once("|\n").unwrap();
    let indent = lines.len() - lines.trim_start_matches(' ').len();
    lines.lines().map(|line| line.get(indent..).unwrap_or_default().to_owned() + "\n").collect()
}

/// A service that answers a request for this audience with the token, as GitHub does. It answers one request.
fn token_service(token: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/token?x=1", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut head = [0; 4096];
        let length = client.read(&mut head).unwrap();
        let head = String::from_utf8_lossy(&head[..length]).into_owned();
        assert!(head.contains(&format!("&audience={AUDIENCE} ")), "{head}");
        assert!(head.contains("Bearer of the job"), "{head}");
        let body = json!({ "value": token }).to_string();
        let length = body.len();
        write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    });
    url
}

/// The cache of the recipes: both services push and pin.
fn cache(issuer: &Issuer) -> Pushable {
    let of = |name: &str, claim: &str| {
        format!(
            "[access.oidc.{name}]\nissuer = {:?}\naudience = {AUDIENCE:?}\n\
             claims = [{claim:?}]\nallow = [\"read\", \"push\", \"pin\"]\n",
            issuer.url()
        )
    };
    let both = of("github", "repository=org/repo") + &of("gitlab", "project_path=group/project");
    Pushable::with(|builder| builder.section(&both))
}

fn token(key: &SigningKey, issuer: &Issuer, claim: &str, value: &str) -> String {
    let others: Value = json!({ "sub": "job", claim: value });
    key.sign(&claims(&issuer.url(), AUDIENCE, others))
}

#[test]
fn the_recipes_of_the_documentation_push_and_pin() {
    if !is_installed("jq") || !is_installed("curl") {
        return;
    }
    let standard = Standard::new();
    let key = SigningKey::rsa("rsa-1");
    let issuer = Issuer::start(&[&key]);
    for nix in nixes().filter(|nix| !nix.program("nix").to_string_lossy().contains("2.8")) {
        for heading in ["GitHub Actions", "GitLab"] {
            let cache = cache(&issuer);
            let place = Scratch::new();
            symlink(full(&standard.top), place.join("result")).unwrap();
            let client = nix.client().with_root(standard.store.root());
            let mut command = Command::new("bash");
            let environment = client.command("nix");
            command
                .env_clear()
                .envs(environment.get_envs().filter_map(|(name, value)| Some((name, value?))));
            let programs = nix.program("nix").parent().unwrap().display().to_string();
            command
                .args(["-euo", "pipefail", "-c", &script(heading)])
                .current_dir(place.path())
                .env("PATH", format!("{programs}:/usr/bin:/bin"))
                .env("CACHE", cache.server.url());
            let root = if heading == "GitLab" {
                let token = token(&key, &issuer, "project_path", "group/project");
                command.env("CACHE_TOKEN", token);
                command.env("CI_PROJECT_PATH", "group/project").env("CI_COMMIT_REF_SLUG", "main");
                "group/project/main"
            } else {
                let token = token(&key, &issuer, "repository", "org/repo");
                command.env("ACTIONS_ID_TOKEN_REQUEST_URL", token_service(token));
                command.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of the job");
                command.env("RUNNER_TEMP", place.path());
                command.env("GITHUB_REPOSITORY", "org/repo").env("GITHUB_REF_NAME", "main");
                "org/repo/main"
            };
            run(&mut command, PUSH_TIMEOUT).success();
            assert_read(&nix, &standard, cache.server.url(), &[&standard.top]);
            let issuer_of = if heading == "GitLab" { "gitlab" } else { "github" };
            let url = format!("file://{}", cache.directory.display());
            let mut log = program(&["storage", "log", &full(&standard.top), "--storage", &url]);
            let log = run(&mut log, PUSH_TIMEOUT).success().text();
            assert!(log.contains(&format!("Z  oidc {issuer_of} job  127.0.0.1\n")), "{log}");
            let asked = crate::support::private::create(&cache.tokens, "see", &["--allow", "pin"]);
            super::await_token(&cache, &asked);
            let shown = Request::get(format!("/gcroots/{root}"));
            let shown = cache.server.connect().send(&with_token(shown, &asked));
            assert!(shown.text().contains(&full(&standard.top)), "{}", shown.text());
        }
    }
}

#[test]
fn the_answer_in_the_documentation_is_one_of_a_cache() {
    let issuer = Issuer::start(&[&SigningKey::rsa("rsa-1")]);
    let block = RECIPES.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let shown: Value = serde_json::from_str(block).unwrap();
    let answer: Value =
        serde_json::from_str(cache(&issuer).server.get("/api/cache-config").text()).unwrap();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&shown), names(&answer));
    assert_eq!(names(&shown["oidc"][0]), names(&answer["oidc"][0]));
}

/// A block of the documentation as its service reads it, where the machine has a reader.
fn read_yaml(heading: &str) -> Option<Value> {
    let (_, section) = RECIPES.split_once(&format!("\n## {heading}\n")).unwrap();
    let block = section.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let place = Scratch::new();
    let file = place.write("block", block);
    let reader = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    let mut python = Command::new("python3");
    let done = run(python.args(["-c", reader]).arg(file), PUSH_TIMEOUT);
    if done.stderr.contains("No module named 'yaml'") {
        return None;
    }
    Some(serde_json::from_str(&done.success().text()).unwrap())
}

#[test]
fn the_recipes_ask_for_a_token_of_the_job_and_name_no_secret() {
    if !is_installed("python3") {
        return;
    }
    let Some(github) = read_yaml("GitHub Actions") else { return };
    assert_eq!(github["permissions"]["id-token"], "write");
    assert_eq!(github["env"]["CACHE"], AUDIENCE);
    let steps = github["steps"].as_array().unwrap();
    let last = steps.last().unwrap()["run"].as_str().unwrap();
    assert_eq!(last.trim_end(), script("GitHub Actions").trim_end());
    let gitlab = read_yaml("GitLab").unwrap();
    assert_eq!(gitlab["build"]["id_tokens"]["CACHE_TOKEN"]["aud"], AUDIENCE);
    let lines = gitlab["build"]["script"].as_array().unwrap();
    assert_eq!(lines.last().unwrap().as_str().unwrap().trim_end(), script("GitLab").trim_end());
    assert!(!RECIPES.contains("secrets."), "no secret of the service is needed");
}

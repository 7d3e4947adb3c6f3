//! `nix-cache-info`: store directory, and priority among the caches of this client.

use rns_client::plain_url;
use rns_formats::CacheInfo;
use url::Url;

use super::subject::CacheSubject;
use crate::{Finding, FindingId, Outcome};

/// The public cache of NixOS, and its priority.
const PUBLIC_CACHE: (&str, i32) = ("https://cache.nixos.org", 40);

pub(super) async fn check(cache: &CacheSubject) -> Outcome {
    let answer = match cache.info_answer().await {
        Ok(answer) => answer,
        Err(trouble) => return Outcome::Unchecked(trouble.to_string()),
    };
    match answer.status {
        200 => {}
        401 | 403 | 407 => {
            return Outcome::Unchecked("the cache refuses the credential".to_owned());
        }
        status @ 500.. => {
            return Outcome::wrong(Finding::new(
                FindingId::NotACache,
                format!("{}nix-cache-info is answered with status {status}", cache.base),
                "rust-nix-serve doctor   # on the server",
            ));
        }
        status => {
            return Outcome::wrong(Finding::new(
                FindingId::NotACache,
                format!("{}nix-cache-info is answered with status {status}", cache.base),
                format!("curl -i {}nix-cache-info   # is the path in the URL right?", cache.base),
            ));
        }
    }
    let text = String::from_utf8_lossy(&answer.body);
    if !text.lines().any(|line| line.starts_with("StoreDir:")) {
        return Outcome::wrong(Finding::new(
            FindingId::NotACache,
            format!("{}nix-cache-info is a page of something else", cache.base),
            format!("curl -i {}nix-cache-info   # is the path in the URL right?", cache.base),
        ));
    }
    match CacheInfo::parse(&text) {
        Ok(info) => {
            let findings = store_dir(cache, &info).into_iter().chain(priority(cache, &info));
            let seen = format!("{}, priority {}", info.store_dir, info.priority);
            Outcome::of(findings.collect(), seen)
        }
        Err(error) => Outcome::wrong(Finding::new(
            FindingId::CacheInfoMalformed,
            format!("nix-cache-info is wrong: {error}"),
            "nix-cache-info: Priority: 30   # a number, and StoreDir: /nix/store",
        )),
    }
}

fn store_dir(cache: &CacheSubject, info: &CacheInfo) -> Option<Finding> {
    let own = &cache.view.store_dir;
    (info.store_dir != *own).then(|| {
        Finding::new(
            FindingId::StoreDirDiffers,
            format!("the cache is for {}, this client has {own}", info.store_dir),
            format!("a cache of {own}: on the server, store.dir = \"{own}\" in its configuration"),
        )
    })
}

fn priority(cache: &CacheSubject, info: &CacheInfo) -> Option<Finding> {
    if cache.only_pushes() {
        return None;
    }
    let used = cache.view.nix_conf.substituters();
    let plain = plain_url(&cache.view.url);
    let is_this = |url: &&String| Url::parse(url).is_ok_and(|url| plain_url(&url) == plain);
    let this = used.iter().find(is_this);
    let own = stated(cache.view.url.as_str()).or_else(|| stated(this?)).unwrap_or(info.priority);
    let (public, usual) = PUBLIC_CACHE;
    let other = used.iter().find(|url| url.starts_with(public))?;
    if plain.starts_with(public) || stated(other).unwrap_or(usual) != own {
        return None;
    }
    let with = |url: &str| {
        let joint = if url.contains('?') { '&' } else { '?' };
        format!("{url}{joint}priority={}", own - 10)
    };
    // A second entry would leave the first one with its priority.
    let line = match this {
        Some(this) => {
            let kept = without_priority(this);
            format!("{} in the place of {this}", with(&kept))
        }
        None => format!("extra-substituters = {}", with(&plain)),
    };
    Some(Finding::new(
        FindingId::PriorityClash,
        format!("the cache has priority {own}, as {public} does"),
        format!("nix.conf: {line}   # or priority on the server"),
    ))
}

/// The priority that the URL of a substituter states.
fn stated(url: &str) -> Option<i32> {
    let (_, query) = url.split_once('?')?;
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == "priority").find_map(|(_, number)| number.parse().ok())
}

fn without_priority(url: &str) -> String {
    let Some((base, query)) = url.split_once('?') else { return url.to_owned() };
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("priority=")).collect();
    if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) }
}

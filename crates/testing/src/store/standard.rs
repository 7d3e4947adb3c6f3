//! The store that most tests use: one path for each thing a server can get wrong.

use rns_formats::StorePath;

use super::{Entry, FixtureStore};
use crate::Tree;

/// The signature on `tree` by the key `test-1`, made by a real Nix.
const TREE_SIGNATURE: &str = "test-1:NuKJvtIjBrWWE/3+yQmdqauajehocXnzRUGD3b20uGbIRz9b79kIGlp/3PQsTu/D3Et1AeIbt8l8vMXp6qPABw==";

/// A fixture store and the names of its paths.
#[derive(Debug)]
pub struct Standard {
    /// The store.
    pub store: FixtureStore,
    /// A small tree without references, content-addressed; its path and hashes are those a real Nix gave it.
    pub tree: StorePath,
    /// A text file without references.
    pub dep: StorePath,
    /// A text file that refers to `dep`.
    pub top: StorePath,
    /// A directory that refers to itself and to `dep`, with a deriver, built here.
    pub itself: StorePath,
    /// An executable file.
    pub executable: StorePath,
    /// A symbolic link.
    pub link: StorePath,
    /// A file of three million bytes that do not compress, no two parts alike.
    pub blob: StorePath,
    /// A path whose name has every special character that names may have.
    pub special: StorePath,
    /// A directory with names and targets that are not UTF-8.
    pub bytes: StorePath,
}

impl Standard {
    /// Builds the store.
    #[must_use]
    pub fn new() -> Self {
        let mut store = FixtureStore::new();
        let tree = store.insert(
            Entry::new("tree", Self::small_tree())
                .ca("fixed:r:sha256:1pr030ycnw7qzf1hlnz3gp81m69isgm5dg45pi4gj29hz46sjps5")
                .signature(TREE_SIGNATURE),
        );
        let dep = store.insert(
            Entry::new("dep.txt", Tree::file("dep contents\n"))
                .ca("text:sha256:085ssxbk2llxi98aiz181pvqm5mrhcr632v0y4a886lxyx22yq50"),
        );
        let top = store.insert(
            Entry::new(
                "top.txt",
                Tree::file(format!("refers to {}\n", store.store_dir().print(&dep))),
            )
            .references([&dep])
            .ca("text:sha256:15cf4hm1bnd97ln1mszxsgr3h1gmamq4hld5dvsl42xnam49jw83"),
        );
        let self_hash = "5lwpdp8pj0ybv7x8cm0yvb1hyv4jd1k3";
        let itself = store.insert(
            Entry::new(
                "self-1.0",
                Tree::directory([
                    ("me", Tree::symlink(format!("/nix/store/{self_hash}-self-1.0/you"))),
                    ("you", Tree::file(format!("needs {}\n", store.store_dir().print(&dep)))),
                ]),
            )
            .hash_part(self_hash)
            .references([&dep])
            .self_reference()
            .deriver("/nix/store/zzmk3pgy2f5cp3gpgfzr3vq8fv2kw9fm-self-1.0.drv")
            .ultimate(),
        );
        let executable = store.add("run", Tree::executable("#!/bin/sh\necho run\n"));
        let link =
            store.add("link", Tree::symlink("/nix/store/kfrgc1dm1q9yqacbf3nb3z0bvr61b7cb-dep.txt"));
        let blob = store.add("blob.bin", Tree::file(noise(3_000_000)));
        let special = store.add("a+b.c_d?e=f-1", Tree::directory([("x", Tree::file("y"))]));
        let bytes = store.add(
            "bytes",
            Tree::directory([
                (&b"caf\xe9"[..], Tree::file("latin 1")),
                (b"to", Tree::symlink(b"\xff\xfe")),
            ]),
        );
        Self { store, tree, dep, top, itself, executable, link, blob, special, bytes }
    }

    /// The tree of `tree`: files of several lengths, an executable, an empty directory, a symbolic link.
    #[must_use]
    pub fn small_tree() -> Tree {
        Tree::directory([
            ("a", Tree::file("hello\n")),
            (
                "dir",
                Tree::directory([
                    ("lnk", Tree::symlink("../a")),
                    ("run", Tree::executable("#!/bin/sh\necho hi\n")),
                ]),
            ),
            ("eight", Tree::file("12345678")),
            ("empty", Tree::directory::<&str>([])),
            ("zero", Tree::file("")),
        ])
    }
}

impl Default for Standard {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes that look random and are the same every time (xorshift).
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

//! The paths of the store, and their contents.

use std::{fs, path::Path};

use anyhow::{Result, ensure};
use rns_formats::{HashPart, PathInfo, Sha256Digest, StorePath, StorePathName};

use super::{Group, Member, contents::Contents, database, statics, tree::Tree};
use crate::{client, size::Size};

/// Makes everything below `directory`.
pub(super) fn create(directory: &Path, size: &Size) -> Result<Vec<Member>> {
    let root = directory.join("root");
    fs::create_dir_all(root.join("nix/store"))?;
    fs::create_dir_all(root.join("nix/var/log/nix/drvs"))?;
    fs::create_dir_all(directory.join("none/nar"))?;
    let mut infos: Vec<PathInfo> = Vec::new();
    let mut members = Vec::new();
    let mut add = |group, name: String, tree: Tree, references: &[usize]| -> Result<()> {
        let info = put(directory, &name, &tree, references.iter().map(|index| &infos[*index]))?;
        let PathInfo { path, nar_hash, nar_size, .. } = &info;
        members.push(Member {
            group,
            path: path.clone(),
            nar_hash: *nar_hash,
            nar_size: *nar_size,
        });
        infos.push(info);
        Ok(())
    };
    let mut random = Contents::new(0);
    let last = size.closure as usize - 1;
    for n in 0..last {
        let references: Vec<usize> =
            [1, 7, 50, 300].iter().filter_map(|back| n.checked_sub(*back)).collect();
        let tree = package(n as u64, size.smaller, &mut random);
        add(Group::Closure, format!("package-{n}-1.0"), tree, &references)?;
    }
    let number = size.closure << 16;
    let all: Vec<usize> = (0..last).collect();
    add(Group::Closure, "system".to_owned(), package(size.closure, 1, &mut random), &all)?;
    for n in 1..=size.others {
        let tree = Tree::File { executable: false, number: number + n, size: 100 + n };
        add(Group::Other, format!("other-{n}"), tree, &[])?;
    }
    let huge = Tree::File { executable: false, number, size: size.huge };
    add(Group::Huge, "huge".to_owned(), huge, &[])?;
    add(Group::Tree, "tree".to_owned(), small_files(number << 16, size, &mut random), &[])?;
    database::create(&super::database_of(&root), &database::rows(&infos))?;
    statics::create(directory, &infos)?;
    if let Some(nix) = client::Nix::find()? {
        eprintln!("verifying the store with real Nix");
        ensure!(nix.verify(&root)?, "real Nix finds fault with the store");
    }
    Ok(members)
}

/// Puts one path on disk, and its NAR into the static cache.
fn put<'a>(
    directory: &Path,
    name: &str,
    tree: &Tree,
    references: impl Iterator<Item = &'a PathInfo>,
) -> Result<PathInfo> {
    // Unlike Nix's, the hash part follows from the name alone: it must be known before the contents are.
    let digest = Sha256Digest::of(name.as_bytes());
    let Some(bytes) = digest.as_bytes().first_chunk() else {
        unreachable!("a digest has 32 bytes")
    };
    let path = StorePath::from_parts(HashPart::from_bytes(*bytes), &StorePathName::parse(name)?);
    let nar = directory.join("none/nar/new");
    let (nar_hash, nar_size) =
        tree.write(&directory.join("root/nix/store").join(path.as_str()), &nar)?;
    let mut references: Vec<StorePath> = references.map(|info| info.path.clone()).collect();
    references.sort();
    let info = PathInfo {
        path,
        nar_hash,
        nar_size,
        references,
        deriver: None,
        signatures: Vec::new(),
        ca: None,
        provenance: None,
        unknown: Vec::new(),
        ultimate: false,
        registration_time: 1_700_000_000,
    };
    fs::rename(nar, directory.join("none/nar").join(statics::nar_name(&info)))?;
    Ok(info)
}

/// A package of the closure. Most are small, one in ten has some MiB, one in fifty many: as in a system.
fn package(n: u64, smaller: u64, random: &mut Contents) -> Tree {
    let (files, mean) = match n {
        n if n % 50 == 49 => (40, 200_000),
        n if n % 10 == 9 => (20, 120_000),
        n if n % 3 == 0 => (2, 1_000),
        _ => (8, 12_000),
    };
    let mut file = |index: u64, executable| {
        let size = (random.next() % (2 * mean)) / smaller;
        Tree::File { executable, number: (n << 16) + index, size }
    };
    let libraries =
        (1..files).map(|index| (format!("file-{index:03}"), file(index, index % 4 == 0)));
    let libraries = libraries.collect();
    Tree::Directory(vec![
        ("bin".to_owned(), Tree::Directory(vec![("tool".to_owned(), file(0, true))])),
        ("lib".to_owned(), Tree::Directory(libraries)),
        ("share".to_owned(), Tree::Link("lib")),
    ])
}

/// A tree of small files, a hundred in a directory, most of them a few KiB long.
fn small_files(number: u64, size: &Size, random: &mut Contents) -> Tree {
    let mut directories = Vec::new();
    for first in (0..size.small_files).step_by(100) {
        let indices = first..size.small_files.min(first + 100);
        let files = indices.map(|index| {
            let mean = if index % 10 == 0 { 20_000 } else { 3_000 };
            let size = random.next() % (2 * mean);
            (format!("{index:06}"), Tree::File { executable: false, number: number + index, size })
        });
        directories.push((format!("{first:06}"), Tree::Directory(files.collect())));
    }
    Tree::Directory(directories)
}

//! Which store paths the roots of a policy name at the moment.
//!
//! Links are followed as Nix's collector and `nix-store` do: one after another, until the text of one leads into the store.
//! An entry of a directory is a link to a store path or is ignored; a link in a directory that leads to another directory
//! is not searched, so that a link in a directory of roots cannot send the search anywhere.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use rns_cache::glob_matches;
use rns_formats::{StoreDir, StorePath};

use super::directories::Directories;

/// Links that are followed one after another.
const MAX_ROOT_LINKS: usize = 40;

/// Directories inside one another that are searched.
const MAX_DIRECTORY_DEPTH: usize = 16;

/// Names that are looked at for one root.
const MAX_ROOT_NAMES: usize = 100_000;

/// The paths that one root names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RootPaths {
    pub(super) root: PathBuf,
    /// In order, each once; they need not be valid.
    pub(super) paths: Vec<StorePath>,
    /// Why there are none.
    pub(super) problem: Option<String>,
}

/// Where store paths are.
pub(super) struct Stores(Vec<PathBuf>);

impl Stores {
    pub(super) fn new(store_dir: &StoreDir, real_dir: &Path) -> Self {
        let mut stores = vec![PathBuf::from(store_dir.as_str()), real_dir.to_owned()];
        stores.extend(fs::canonicalize(real_dir));
        Self(stores)
    }

    /// The store path that this leads to or into, going by its text.
    fn path_of(&self, text: &Path) -> Option<StorePath> {
        self.0.iter().find_map(|store| {
            match text.strip_prefix(store).ok()?.components().next()? {
                Component::Normal(base) => StorePath::parse(base.to_str()?).ok(),
                _ => None,
            }
        })
    }

    fn contain(&self, text: &Path) -> bool {
        self.0.iter().any(|store| text.starts_with(store))
    }

    /// The paths that the root names now, and where that was looked for. Blocks.
    pub(super) fn read(&self, root: &Path, directories: &mut Directories) -> RootPaths {
        let mut search = Search { stores: self, paths: Vec::new(), names: 0, directories };
        let problem = search.root(root).err().map(|error| error.to_string());
        let mut paths = if problem.is_none() { search.paths } else { Vec::new() };
        paths.sort_unstable();
        paths.dedup();
        let problem = problem
            .or_else(|| paths.is_empty().then(|| "it does not lead to a store path".to_owned()));
        RootPaths { root: root.to_owned(), paths, problem }
    }
}

struct Search<'a> {
    stores: &'a Stores,
    paths: Vec<StorePath>,
    names: usize,
    directories: &'a mut Directories,
}

/// Where links end.
enum LinkEnd {
    Store(StorePath),
    Directory(PathBuf),
    Nothing,
}

impl Search<'_> {
    fn root(&mut self, root: &Path) -> io::Result<()> {
        let mut places = Vec::new();
        self.expand(root, &mut places)?;
        let is_pattern = is_pattern(root);
        for place in places {
            match self.follow(&place) {
                Ok(LinkEnd::Store(path)) => self.paths.push(path),
                Ok(LinkEnd::Directory(directory)) => {
                    self.directory(&directory, MAX_DIRECTORY_DEPTH)?
                }
                Ok(LinkEnd::Nothing) => {}
                Err(error) if is_pattern && is_private(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The places that a pattern stands for.
    fn expand(&mut self, root: &Path, places: &mut Vec<PathBuf>) -> io::Result<()> {
        let mut found = vec![PathBuf::new()];
        for component in root.components() {
            let name = component.as_os_str().as_encoded_bytes();
            if !name.contains(&b'*') {
                found.iter_mut().for_each(|place| place.push(component));
                continue;
            }
            let mut next = Vec::new();
            for place in found {
                if self.stores.contain(&place) {
                    return Err(io::Error::other(
                        "`*` does not search the store itself; name patterns do",
                    ));
                }
                for entry in self.names(&place)? {
                    if glob_matches(name, entry.as_encoded_bytes(), None) {
                        next.push(place.join(entry));
                    }
                }
            }
            found = next;
        }
        places.append(&mut found);
        Ok(())
    }

    /// The names in a directory; none in a file of another kind.
    fn names(&mut self, directory: &Path) -> io::Result<Vec<std::ffi::OsString>> {
        let mut names = Vec::new();
        self.directories.note(directory);
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(names),
            Err(error) => return Err(error),
        };
        for entry in entries {
            self.names += 1;
            if self.names > MAX_ROOT_NAMES {
                return Err(io::Error::other(format!(
                    "there are more than {MAX_ROOT_NAMES} names below it, so that none is looked at"
                )));
            }
            names.push(entry?.file_name());
        }
        Ok(names)
    }

    fn directory(&mut self, directory: &Path, depth: usize) -> io::Result<()> {
        let names = match self.names(directory) {
            // Directories of users are private.
            Err(error) if is_private(&error) && depth < MAX_DIRECTORY_DEPTH => return Ok(()),
            names => names?,
        };
        for name in names {
            let place = directory.join(name);
            match fs::symlink_metadata(&place) {
                Ok(file) if file.is_symlink() => {
                    if let Ok(LinkEnd::Store(path)) = self.follow(&place) {
                        self.paths.push(path);
                    }
                }
                Ok(file) if file.is_dir() => {
                    let Some(depth) = depth.checked_sub(1) else {
                        return Err(io::Error::other(format!(
                            "there are more than {MAX_DIRECTORY_DEPTH} directories inside one another below it"
                        )));
                    };
                    self.directory(&place, depth)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn follow(&mut self, place: &Path) -> io::Result<LinkEnd> {
        let mut place = place.to_owned();
        for _ in 0..MAX_ROOT_LINKS {
            if let Some(path) = self.stores.path_of(&normal(&place)) {
                return Ok(LinkEnd::Store(path));
            }
            if let Some(parent) = place.parent() {
                self.directories.note(parent);
            }
            let file = match fs::symlink_metadata(&place) {
                Ok(file) => file,
                Err(error) if is_absent(&error) => return Ok(LinkEnd::Nothing),
                Err(error) => return Err(error),
            };
            if file.is_symlink() {
                let target = fs::read_link(&place)?;
                place.pop();
                place.push(target);
                continue;
            }
            // A place inside a store path that was reached through a link to it.
            let canonical = fs::canonicalize(&place)?;
            return Ok(match self.stores.path_of(&canonical) {
                Some(path) => LinkEnd::Store(path),
                None if file.is_dir() => LinkEnd::Directory(place),
                None => LinkEnd::Nothing,
            });
        }
        Err(io::Error::other(format!("more than {MAX_ROOT_LINKS} links lead from one to another")))
    }
}

fn is_pattern(root: &Path) -> bool {
    root.as_os_str().as_encoded_bytes().contains(&b'*')
}

fn is_private(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The path without `.` and `..`, going by its text.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => _ = normal.pop(),
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

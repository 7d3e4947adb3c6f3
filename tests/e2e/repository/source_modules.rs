//! The modules of the workspace's crates: which names each brings into scope, and which it defines.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::source_tokens::{closing, production};

/// A crate and the way from its root to a module or an item.
pub(super) type Names = Vec<String>;

/// One module: a file, or a block within one.
#[derive(Debug, Default)]
pub(super) struct Module {
    pub(super) file: PathBuf,
    /// The names that `use` brings into scope.
    pub(super) imports: BTreeMap<String, Import>,
    /// The modules whose names `use …::*` brings into scope.
    pub(super) globs: Vec<Names>,
    /// The items that are defined here.
    pub(super) items: BTreeSet<String>,
    /// The paths in the code, imports excepted.
    pub(super) paths: Vec<Names>,
    /// Every word of the code, names of methods among them.
    pub(super) words: BTreeSet<String>,
    /// Whether it has an `impl` block of a type that it does not define.
    pub(super) extends_others: bool,
}

#[derive(Debug)]
pub(super) struct Import {
    pub(super) target: Names,
    pub(super) is_public: bool,
}

/// The modules of the crates, by names that begin with the crate.
pub(super) struct Modules(pub(super) BTreeMap<Names, Module>);

const DEFINES: [&str; 9] =
    ["fn", "struct", "enum", "trait", "const", "static", "type", "union", "macro_rules"];

impl Modules {
    pub(super) fn read(crates: &[(&str, PathBuf)]) -> Self {
        let mut modules = Self(BTreeMap::new());
        for (name, source) in crates {
            let root = ["lib.rs", "main.rs"].map(|file| source.join(file));
            let root = root.into_iter().find(|file| file.exists()).unwrap();
            modules.file(vec![(*name).to_owned()], &root, source);
        }
        modules.with_children_by_name()
    }

    /// `use child::Name` without `self::` means the module `child` of this one, where there is one.
    fn with_children_by_name(mut self) -> Self {
        let known: BTreeSet<Names> = self.0.keys().cloned().collect();
        for (names, module) in &mut self.0 {
            let targets = module.imports.values_mut().map(|import| &mut import.target);
            for target in targets.chain(&mut module.globs) {
                let child = [names.as_slice(), target.get(..1).unwrap_or_default()].concat();
                if known.contains(&child) {
                    *target = [names.as_slice(), target.as_slice()].concat();
                }
            }
        }
        self
    }

    /// Reads a file, and those of the modules that it declares. `children` is their directory.
    fn file(&mut self, names: Names, file: &Path, children: &Path) {
        let text = fs::read_to_string(file).unwrap();
        self.block(names, file, children, &production(&text));
    }

    fn block(&mut self, names: Names, file: &Path, children: &Path, tokens: &[String]) {
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        let mut at = 0;
        let mut is_public = false;
        while at < tokens.len() {
            let next = tokens.get(at + 1).map_or("", String::as_str);
            match tokens[at].as_str() {
                // Neither `use<'a>` in a type nor an element `use { }` in a page is an import.
                "use" if is_word(next) || next == ":" => {
                    let end = at + tokens[at..].iter().position(|token| token == ";").unwrap();
                    let scope = Scope { names: &names, is_public };
                    scope.tree(&tokens[at + 1..end], Vec::new(), &mut module);
                    at = end;
                    is_public = false;
                }
                "mod" if !next.is_empty() => {
                    let inner = [names.as_slice(), &[next.to_owned()]].concat();
                    let directory = children.join(next);
                    if tokens[at + 2] == "{" {
                        let end = closing(tokens, at + 2);
                        self.block(inner, file, &directory, &tokens[at + 3..end]);
                        at = end;
                    } else {
                        let own = [children.join(format!("{next}.rs")), directory.join("mod.rs")];
                        let own = own.into_iter().find(|file| file.exists()).unwrap();
                        self.file(inner, &own, &directory);
                        at += 2;
                    }
                    is_public = false;
                }
                "pub" => {
                    is_public = true;
                    if next == "(" {
                        at = closing(tokens, at + 1);
                    }
                }
                token if DEFINES.contains(&token) && is_word(next) => {
                    module.items.insert(next.to_owned());
                    is_public = false;
                    at += 1;
                }
                token if is_word(token) => {
                    is_public = false;
                    at = path(tokens, at, &mut module.paths);
                }
                _ => is_public = false,
            }
            at += 1;
        }
        module.words.extend(tokens.iter().filter(|token| is_word(token)).cloned());
        module.extends_others = extends_others(tokens, &module.items);
        self.0.insert(names, module);
    }

    /// The file that defines the target of these names; None when that is in no crate of the workspace.
    pub(super) fn file_of(&self, names: &[String]) -> Option<&Path> {
        self.find(names, &mut BTreeSet::new())
    }

    fn find(&self, names: &[String], seen: &mut BTreeSet<Names>) -> Option<&Path> {
        if !seen.insert(names.to_vec()) {
            return None;
        }
        let depth = (1..=names.len()).rev().find(|end| self.0.contains_key(&names[..*end]))?;
        let module = &self.0[&names[..depth]];
        let Some(item) = names.get(depth) else { return Some(&module.file) };
        if module.items.contains(item) {
            return Some(&module.file);
        }
        let rest = &names[depth + 1..];
        if let Some(import) = module.imports.get(item) {
            return self.find(&[import.target.as_slice(), rest].concat(), seen);
        }
        let behind_globs = module.globs.iter();
        behind_globs
            .filter_map(|glob| self.find(&[glob.as_slice(), &names[depth..]].concat(), seen))
            .next()
    }

    /// The meaning of a path in the code of a module, as names from a crate on.
    pub(super) fn absolute(&self, module: &[String], path: &[String]) -> Option<Names> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" | "self" | "super" => Some(absolute(module, path)),
            _ if self.0.contains_key([first.clone()].as_slice()) => Some(path.to_vec()),
            _ => {
                let child = [module, std::slice::from_ref(first)].concat();
                if self.0.contains_key(&child) {
                    return Some([child.as_slice(), rest].concat());
                }
                let own = self.0.get(module)?;
                let import = own.imports.get(first)?;
                Some([import.target.as_slice(), rest].concat())
            }
        }
    }
}

struct Scope<'a> {
    names: &'a [String],
    is_public: bool,
}

impl Scope<'_> {
    /// Reads the tree behind `use`; `prefix` is the text before a brace.
    fn tree(&self, tokens: &[String], prefix: Names, module: &mut Module) {
        let mut names = prefix;
        let mut at = 0;
        while at < tokens.len() {
            match tokens[at].as_str() {
                "::" => {}
                "{" => {
                    let end = closing(tokens, at);
                    for part in parts(&tokens[at + 1..end]) {
                        self.tree(part, names.clone(), module);
                    }
                    return;
                }
                "*" => {
                    module.globs.push(absolute(self.names, &names));
                    return;
                }
                "as" => break,
                "self" if at > 0 || !names.is_empty() => {}
                word => names.push(word.to_owned()),
            }
            at += 1;
        }
        let alias = (tokens.get(at).is_some_and(|token| token == "as")).then(|| &tokens[at + 1]);
        let Some(name) = alias.or_else(|| names.last()).cloned() else { return };
        let target = absolute(self.names, &names);
        // Several traits may be imported as `_`.
        let name = if name == "_" { format!("_{}", module.imports.len()) } else { name };
        module.imports.insert(name, Import { target, is_public: self.is_public });
    }
}

/// The names from the crate on that a path means in a module.
fn absolute(module: &[String], path: &[String]) -> Names {
    let mut names = module.to_vec();
    let mut rest = path;
    while let Some((first, behind)) = rest.split_first() {
        match first.as_str() {
            "crate" => names.truncate(1),
            "self" => {}
            "super" => _ = names.pop(),
            _ if rest.len() == path.len() => {
                // A child of this module, or else a crate.
                return path.to_vec();
            }
            _ => break,
        }
        rest = behind;
    }
    [names.as_slice(), rest].concat()
}

/// The parts between the commas of the outermost level.
fn parts(tokens: &[String]) -> Vec<&[String]> {
    let mut depth = 0;
    tokens
        .split(|token| {
            match token.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            depth == 0 && token == ","
        })
        .filter(|part| !part.is_empty())
        .collect()
}

/// Reads the path that begins at `at`, and returns the position of its last token.
fn path(tokens: &[String], mut at: usize, paths: &mut Vec<Names>) -> usize {
    let is_method = at > 0 && tokens[at - 1] == ".";
    let mut names = vec![tokens[at].clone()];
    while tokens.get(at + 1).is_some_and(|token| token == "::")
        && tokens.get(at + 2).is_some_and(|token| is_word(token))
    {
        names.push(tokens[at + 2].clone());
        at += 2;
    }
    if !is_method {
        paths.push(names);
    }
    at
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

fn extends_others(tokens: &[String], items: &BTreeSet<String>) -> bool {
    tokens.iter().enumerate().filter(|(_, token)| *token == "impl").any(|(at, _)| {
        let header = tokens[at..].iter().take_while(|token| *token != "{");
        !header.into_iter().any(|token| items.contains(token))
    })
}

//! `ls`: the files inside a store path.

use std::io::{self, Write};

use rns_formats::nar::{NarLayout, Node, NodeKind};

use super::{InspectedPath, nothing_there, with_path};
use crate::{args::ListArgs, config::Environment, output::CommandAnswer};

/// Lists a directory, or the one file that was named.
pub(crate) fn run(args: &ListArgs, environment: &Environment) -> anyhow::Result<CommandAnswer> {
    with_path(&args.path, &args.store, environment, async |InspectedPath { nar, place, .. }| {
        let layout = nar.layout();
        let Some(node) = layout.nodes().find(place.inside.iter().map(Vec::as_slice)) else {
            return Ok(nothing_there(&place));
        };
        let mut out = io::BufWriter::new(io::stdout().lock());
        Lister { layout, long: args.long, recursive: args.recursive, out: &mut out }
            .start(&node)?;
        out.flush()?;
        Ok(CommandAnswer::Yes)
    })
}

struct Lister<'a, W> {
    layout: &'a NarLayout,
    long: bool,
    recursive: bool,
    out: W,
}

impl<W: Write> Lister<'_, W> {
    fn start(&mut self, node: &Node<'_>) -> io::Result<()> {
        match node.kind {
            NodeKind::Directory { .. } => self.directory(node, b""),
            NodeKind::Regular { .. } | NodeKind::Symlink { .. } => self.line(node, node.name),
        }
    }

    fn directory(&mut self, directory: &Node<'_>, prefix: &[u8]) -> io::Result<()> {
        for child in self.layout.nodes().children(directory) {
            let name = [prefix, child.name].concat();
            self.line(&child, &name)?;
            if self.recursive {
                self.directory(&child, &[&name, b"/".as_slice()].concat())?;
            }
        }
        Ok(())
    }

    fn line(&mut self, node: &Node<'_>, name: &[u8]) -> io::Result<()> {
        if self.long {
            let (mode, size) = match node.kind {
                NodeKind::Directory { .. } => ("dr-xr-xr-x", 0),
                NodeKind::Symlink { .. } => ("lrwxrwxrwx", 0),
                NodeKind::Regular { file } => {
                    let file = self.layout.file(file);
                    let executable = file.is_some_and(|file| file.executable);
                    let mode = if executable { "-r-xr-xr-x" } else { "-r--r--r--" };
                    (mode, file.map_or(0, |file| file.size))
                }
            };
            write!(self.out, "{mode} {size:>20} ")?;
        }
        self.out.write_all(name)?;
        if let (true, NodeKind::Symlink { target }) = (self.long, node.kind) {
            self.out.write_all(b" -> ")?;
            self.out.write_all(target)?;
        }
        self.out.write_all(b"\n")
    }
}

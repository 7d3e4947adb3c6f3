//! Completions, manual pages and the reference, generated from the code.

use std::{fs, io::Write as _, path::Path};

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{
    args::{Cli, DocsPage},
    config::reference,
    output::{CommandAnswer, print},
};

/// Prints the completions for a shell.
pub(super) fn completions(shell: Shell) -> anyhow::Result<CommandAnswer> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rust-nix-serve", &mut script);
    std::io::stdout().lock().write_all(&script).context("cannot print the completions")?;
    Ok(CommandAnswer::Yes)
}

/// Prints the manual page, or writes one for each command to a directory.
pub(super) fn man(directory: Option<&Path>) -> anyhow::Result<CommandAnswer> {
    let command = Cli::command();
    if let Some(directory) = directory {
        fs::create_dir_all(directory)
            .and_then(|()| clap_mangen::generate_to(command, directory))
            .with_context(|| format!("cannot write manual pages to {}", directory.display()))?;
    } else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).context("cannot make the manual page")?;
        std::io::stdout().lock().write_all(&page).context("cannot print the manual page")?;
    }
    Ok(CommandAnswer::Yes)
}

/// Prints a page of the documentation.
pub(super) fn docs(page: DocsPage) -> anyhow::Result<CommandAnswer> {
    match page {
        DocsPage::Configuration => print(&reference::page())?,
    }
    Ok(CommandAnswer::Yes)
}

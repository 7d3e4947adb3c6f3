//! `check-config`: says everything that is wrong, without serving.

use crate::{
    args::CheckArgs,
    config::{self, ConfigError, DEFAULT_FILE, Environment, PassedSockets, files},
    output::{CommandAnswer, print, tell},
};

/// Checks the configuration; a problem is a negative answer.
pub(super) fn run(args: CheckArgs, environment: &Environment) -> anyhow::Result<CommandAnswer> {
    let mut serve = args.serve;
    serve.config = args.file.or(serve.config);
    let loaded = match config::load(&serve, environment, PassedSockets::Unknown) {
        Ok(loaded) => loaded,
        Err(error) => return Ok(refuse(&error)),
    };
    let of_files = if args.skip_files { Vec::new() } else { files::warnings(&loaded) };
    for warning in loaded.warnings.iter().chain(&of_files) {
        tell(&format!("warning: {warning}"));
    }
    let problems = if args.skip_files { Vec::new() } else { files::check(&loaded) };
    if !problems.is_empty() {
        return Ok(refuse(&ConfigError(problems)));
    }
    match &loaded.file {
        Some(file) => print(&format!("{}: no problem found\n", file.display()))?,
        None => print(&format!("no problem found; there is no file {DEFAULT_FILE}\n"))?,
    }
    Ok(CommandAnswer::Yes)
}

fn refuse(error: &ConfigError) -> CommandAnswer {
    tell(&error.to_string());
    CommandAnswer::No
}

//! The program `rust-nix-serve`: reads its arguments, runs a command, and says by its exit code how that went:
//! 0 well, 1 with a negative answer, 2 not at all, 3 when a cache cannot be reached,
//! 4 when a part of the answer is missing.

mod args;
mod backends;
mod client_args;
mod collector;
mod commands;
mod config;
mod doctor_args;
mod hook_args;
mod host;
mod logging;
mod output;
mod serve_args;
mod storage_args;
mod storage_index;
mod store_args;
mod use_args;

use std::process::ExitCode;

use clap::Parser as _;
use output::CommandAnswer;

fn main() -> ExitCode {
    let arguments = hook_args::read(std::env::args_os().skip(1));
    match commands::run(arguments.unwrap_or_else(args::Cli::parse)) {
        Ok(CommandAnswer::Yes) => ExitCode::SUCCESS,
        Ok(CommandAnswer::No) => ExitCode::from(1),
        Ok(CommandAnswer::Unreachable) => ExitCode::from(3),
        Ok(CommandAnswer::Incomplete) => ExitCode::from(4),
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::tell(&logging::as_error(&format!(
                "rust-nix-serve: {}",
                output::in_words(&error)
            )));
            ExitCode::from(2)
        }
    }
}

//! One file for each command.

mod check_config;
mod client;
mod config_show;
mod doctor;
mod inspect;
mod key;
mod pages;
mod pin;
mod progress;
mod push;
mod queue;
mod reload;
mod reload_guard;
mod serve;
mod startup_banner;
mod storage;
mod token;
mod use_cache;

use crate::{
    args::{Cli, Command, ConfigCommand},
    config::Environment,
    output::CommandAnswer,
};

/// Runs the command of the command line.
///
/// # Errors
///
/// When the command could not be carried out.
pub(crate) fn run(cli: Cli) -> anyhow::Result<CommandAnswer> {
    let environment = Environment::of_process();
    match cli.command {
        None => serve::run(cli.serve, environment),
        Some(Command::Serve(args)) => serve::run(*args, environment),
        Some(Command::Key(command)) => key::run(&command),
        Some(Command::Token(command)) => token::run(&command, &environment),
        Some(Command::Storage(command)) => storage::run(&command, &environment),
        Some(Command::Push(args)) => push::run(&args, &environment),
        Some(Command::Pin(command)) => pin::run(&command, &environment),
        Some(Command::Queue(command)) => queue::run(&command, &environment),
        Some(Command::WatchStore(args)) => queue::watch_store(&args, &environment),
        Some(Command::Doctor(args)) => doctor::run(&args, &environment),
        Some(Command::Use(args)) => use_cache::run(&args, &environment),
        Some(Command::CheckConfig(args)) => check_config::run(args, &environment),
        Some(Command::Config(ConfigCommand::Show { json, serve })) => {
            config_show::run(&serve, &environment, json)
        }
        Some(Command::Ls(args)) => inspect::ls(&args, &environment),
        Some(Command::Cat(args)) => inspect::cat(&args, &environment),
        Some(Command::Dump(args)) => inspect::dump(&args, &environment),
        Some(Command::Completions { shell }) => pages::completions(shell),
        Some(Command::Man { directory }) => pages::man(directory.as_deref()),
        Some(Command::Docs { page }) => pages::docs(page),
    }
}

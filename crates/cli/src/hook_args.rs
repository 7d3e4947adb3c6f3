//! The command line of the hook, which a build waits for: read without setting up that of the whole program.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use crate::{
    args::{Cli, Command, ServeArgs},
    client_args::{QueueCommand, QueuePlace},
};

/// The command line, if it is a plain `queue add`. Everything else, help and mistakes too, is for the usual reader.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Option<Cli> {
    let mut arguments = arguments.into_iter();
    if arguments.next()? != "queue" || arguments.next()? != "add" {
        return None;
    }
    let (mut paths, mut place) = (Vec::new(), QueuePlace::default());
    while let Some(argument) = arguments.next() {
        if argument == "--queue" && place.queue.is_none() {
            let file = arguments.next().filter(|file| !is_flag(file))?;
            place.queue = Some(file.into());
        } else if is_flag(&argument) {
            return None;
        } else {
            paths.push(PathBuf::from(argument));
        }
    }
    let command = Command::Queue(QueueCommand::Add { paths, place });
    Some(Cli { serve: ServeArgs::default(), command: Some(command) })
}

fn is_flag(argument: &OsStr) -> bool {
    argument.as_encoded_bytes().starts_with(b"-")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn it_reads_what_the_usual_reader_reads() {
        for line in [
            "queue add",
            "queue add /nix/store/a /nix/store/b",
            "queue add --queue /q /nix/store/a",
            "queue add /nix/store/a --queue /q",
        ] {
            let words = || line.split(' ').map(OsString::from);
            let usual = Cli::try_parse_from(std::iter::once("x".into()).chain(words())).unwrap();
            let read = read(words()).unwrap();
            assert_eq!(format!("{read:?}"), format!("{usual:?}"), "{line}");
        }
    }

    #[test]
    fn everything_else_is_left_to_the_usual_reader() {
        for line in [
            "queue",
            "queue status",
            "queue add --help",
            "queue add --queue",
            "queue add --queue --help",
            "queue add --queue=/q",
            "queue add -- /nix/store/a",
            "queue add --queue /q --queue /r",
            "push add",
        ] {
            assert!(read(line.split(' ').map(OsString::from)).is_none(), "{line}");
        }
    }
}

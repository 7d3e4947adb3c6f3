//! Ends the processes of a test that was killed, and so could not do that itself.
//!
//! A signal at the death of the parent (`PR_SET_PDEATHSIG`) is bound to the thread that started the child, and fixtures are
//! started by threads that end. So a shell holds one end of a pipe, whose other end the kernel closes at any death of the
//! test; then it kills the processes on its list.

use std::{
    fmt,
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

/// Reads which process groups were started and which were ended, and the files with the ids of servers that have to be ended
/// gently: killed, PostgreSQL would leave its shared memory behind.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
groups=' ' files=
while read -r word rest; do
    case $word in
        started) groups="$groups$rest " ;;
        ended) groups="${groups%% $rest *} ${groups#* $rest }" ;;
        server) files="$files $rest" ;;
    esac
done
servers=
for file in $files; do
    read -r server <"$file" && kill -QUIT "$server" && servers="$servers $server"
done
for server in $servers; do
    looks=0
    while kill -0 "$server" && [ "$looks" -lt 50 ]; do
        sleep 0.1
        looks=$((looks + 1))
    done
done
for group in $groups; do
    kill -KILL "-$group"
done
"#;

/// The process group is to be killed if this process dies before [`ended`].
pub(crate) fn started(group: u32) {
    tell(format_args!("started {group}"));
}

/// The process group is no more.
pub(crate) fn ended(group: u32) {
    tell(format_args!("ended {group}"));
}

/// The server whose id is the first line of this file, if it is there then, is to be told to quit if this process dies.
pub(crate) fn server(file: &Path) {
    tell(format_args!("server {}", file.display()));
}

fn tell(line: fmt::Arguments<'_>) {
    static SHELL: OnceLock<Mutex<Child>> = OnceLock::new();
    let shell = SHELL.get_or_init(|| Mutex::new(start()));
    let mut shell = shell.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(shell.stdin.as_mut().unwrap(), "{line}").unwrap();
}

/// Starts the shell in a group of its own, so that the end of the test's group is not its end.
fn start() -> Child {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SCRIPT]).env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.process_group(0).spawn().unwrap()
}

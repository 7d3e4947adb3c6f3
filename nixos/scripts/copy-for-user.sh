# Copies secret files of root for an account that may read nothing else of root's.
#   copy-for-user.sh USER DIRECTORY FILE…
# A copy keeps the whole path of its file below DIRECTORY, which only USER can read. Copies that are asked for no more are
# removed, and a file that is missing is no failure: it is copied when it appears.
set -eu
umask 0022
user=$1
directory=$2
shift 2

copy() { # FILE
  to=$directory$1
  if [ ! -e "$1" ]; then
    rm -f "$to"
    echo "$1 does not exist: the daemon does without until it is there" >&2
    return
  fi
  if cmp -s "$1" "$to"; then
    return
  fi
  # A reader sees the old content or the new, never a part.
  mkdir -p "${to%/*}"
  install -m 0400 -o "$user" "$1" "$to.new" && mv -f "$to.new" "$to"
}

mkdir -p "$directory"
find "$directory" -type f | while IFS= read -r known; do
  for file; do
    [ "$known" != "$directory$file" ] || continue 2
  done
  rm -f "$known"
done
for file; do
  copy "$file" || echo "$file cannot be copied" >&2
done

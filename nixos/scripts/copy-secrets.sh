# Copies secret files to a place where only the daemon may read them.
#   copy-secrets.sh once|watch DIRECTORY NAMED-BY=FILE…
# `once` copies, and removes copies of files that are no secrets any more. `watch` copies whenever a file looks
# different: secrets managers turn a link of a directory above the files and delete the old directory, which no watch on the files would see.
#
# A copy keeps the whole path of its file below DIRECTORY. Runs as the daemon's user with the capability to read any
# file: the copies belong to that user alone.
# A file that is missing is no failure: the daemon stays up, says which one it lacks, and the file is copied when it appears.
set -eu
umask 0077
mode=$1
directory=$2
shift 2
interval=2
seen=$directory/.seen

# The look of all files, in one line: it changes when a file is written, replaced, or reached over another link.
look() {
  for secret; do
    set -- "$@" "${secret#*=}"
    shift
  done
  stat -L --printf '%n %d:%i %s %z %a;' -- "$@" 2>/dev/null || :
}

# While a file is being written its look changes.
look_settled() {
  settled=$(look "$@")
  for attempt in 1 2 3 4 5; do
    sleep 0.2
    looks=$(look "$@")
    [ "$looks" != "$settled" ] || break
    settled=$looks
  done
}

copy() { # NAMED-BY=FILE
  named_by=${1%%=*}
  file=${1#*=}
  copy=$directory$file
  if [ ! -e "$file" ]; then
    rm -f "$copy"
    echo "<4>$named_by names $file, which does not exist: the cache does without until it is there" >&2
    return
  fi
  case $named_by:$(stat -L -c %a "$file") in
    *.certificate:* | *.client_ca:* | *.ca:*) ;;
    *[4567]) echo "<4>$file can be read by all users of this machine: chmod 600 $file" >&2 ;;
  esac
  # A reader sees the old content or the new, never a part.
  mkdir -p "${copy%/*}"
  if cat "$file" >"$copy.$$"; then
    mv -f "$copy.$$" "$copy"
  else
    rm -f "$copy.$$"
    echo "<3>$named_by names $file, which cannot be read; the copy made before stays in use" >&2
  fi
}

copy_all() {
  # The look from before the copies: a change in between is seen at the next look.
  look_settled "$@"
  for secret; do
    copy "$secret"
  done
  printf '%s\n' "$settled" >"$seen.$$"
  mv -f "$seen.$$" "$seen"
}

# Copies of files that no option names any more.
remove_others() {
  find "$directory" -type f | while IFS= read -r copy; do
    for secret; do
      [ "$copy" != "$directory${secret#*=}" ] || continue 2
    done
    [ "$copy" = "$seen" ] || rm -f "$copy"
  done
}

case $mode in
  once)
    remove_others "$@"
    copy_all "$@"
    ;;
  watch)
    while sleep "$interval"; do
      last=
      IFS= read -r last <"$seen" || :
      [ "$(look "$@")" = "$last" ] || copy_all "$@"
    done
    ;;
esac

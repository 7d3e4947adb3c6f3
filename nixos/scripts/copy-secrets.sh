# Copies secret files to where the daemon may read them.
#   copy-secrets.sh DIRECTORY NAMED-BY=FILE…
# A copy keeps the whole path of its file below DIRECTORY, so that a message of the daemon about the copy names the
# file as well. Runs as root with the daemon's group: what it creates is readable by that group and nobody else.
# A file that is missing is no failure: the daemon stays up, says what it lacks, and this runs again when it appears.
set -eu
umask 0027
directory=$1
shift

for secret; do
  named_by=${secret%%=*}
  file=${secret#*=}
  copy=$directory$file
  mkdir -p "${copy%/*}"
  if [ ! -e "$file" ]; then
    rm -f "$copy"
    echo "<4>$named_by names $file, which does not exist: the cache does without until it is there" >&2
    continue
  fi
  case $(stat -L -c %a "$file") in
    *[4567]) echo "<4>$file can be read by everybody on this machine: chmod 600 $file" >&2 ;;
  esac
  # A reader sees the old content or the new, never a part.
  if cat "$file" >"$copy.new"; then
    mv -f "$copy.new" "$copy"
  else
    rm -f "$copy.new"
    echo "<3>$named_by names $file, which cannot be read; the copy made before stays in use" >&2
  fi
done

# Makes the directory of a storage the daemon's, once the file system is there that it is on.
#   make-directory.sh DIRECTORY USER GROUP
# Runs as root before the daemon, whose sandbox is made of directories that exist. One that belongs to the daemon stays
# as it is: root may change nothing on some network file systems. Files of others are taken over only where they are a
# binary cache, for a wrong name must not give away other files.
set -eu
directory=$1
user=$2
group=$3

if [ ! -e "$directory" ]; then
  # Files in it belong to its group, not to that of the daemon: nginx may be in that one.
  install -d -m 2750 -o "$user" -g "$group" "$directory"
elif [ "$(stat -L -c %U "$directory")" = "$user" ]; then
  :
elif [ -e "$directory/nix-cache-info" ]; then
  echo "the binary cache in $directory belongs to $user from now on"
  chown -R "$user:$group" "$directory"
  chmod g+s "$directory"
elif [ -d "$directory" ] && [ -z "$(ls -A "$directory")" ]; then
  chown "$user:$group" "$directory"
  chmod 2750 "$directory"
else
  echo "<3>$directory is neither empty nor a binary cache: name another directory, or give it to $user" >&2
  exit 1
fi

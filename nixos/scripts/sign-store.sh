# Signs the paths in the store, for clients that read it without the daemon in between (over SSH).
#   sign-store.sh KEY…
# A key that is missing is no failure: this runs again at the next start.
set -eu

for key; do
  if [ -e "$key" ]; then
    nix --extra-experimental-features nix-command store sign --all --key-file "$key"
  else
    echo "<4>$key does not exist: nothing in the store is signed with it" >&2
  fi
done

# Makes the signing key of a new cache, once.
#   make-key.sh PROGRAM NAME DIRECTORY
# DIRECTORY/secret-key is for the daemon alone, DIRECTORY/public-key for all users.
# A cache whose secret key is lost must not get another one silently: clients trust the old one.
set -eu
program=$1
name=$2
directory=$3
secret=$directory/secret-key
public=$directory/public-key

if [ ! -e "$secret" ]; then
  if [ -e "$public" ]; then
    echo "<3>$secret is gone but $public is there: restore the secret key from a backup," \
      "or remove the public key as well to get a new pair, which every client must be told" >&2
    exit 1
  fi
  umask 0077
  "$program" key generate "$name" >"$secret.new"
  mv "$secret.new" "$secret"
fi

# Also after an interruption between the two files.
if [ ! -e "$public" ]; then
  umask 0022
  "$program" key public "$secret" >"$public.new"
  mv "$public.new" "$public"
  echo "clients trust this cache by the public key $(cat "$public")"
fi

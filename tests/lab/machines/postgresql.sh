# The effect of `ensureDatabases` and `ensureUsers` of NixOS's services.postgresql, on Debian.
#   postgresql.sh make|serve|fill SOCKET-DIRECTORY NAME
# NAME is a database, and the user who owns it and comes over the socket by the name of an account.
set -eu
programs=$(echo /usr/lib/postgresql/*/bin)
directory=/var/lib/postgresql/index
socket=$2
name=$3
case $1 in
  make)
    [ -e "$directory/PG_VERSION" ] ||
      "$programs/initdb" -D "$directory" --auth-local=peer --auth-host=scram-sha-256 --locale=C.UTF-8 --no-sync >/dev/null
    ;;
  serve)
    exec "$programs/postgres" -D "$directory" -k "$socket" -h ''
    ;;
  fill)
    ask() { "$programs/psql" -h "$socket" -U postgres -d postgres -v ON_ERROR_STOP=1 -Atqc "$1"; }
    [ "$(ask "select 1 from pg_database where datname = '$name'")" = 1 ] || ask "create database \"$name\""
    [ "$(ask "select 1 from pg_roles where rolname = '$name'")" = 1 ] || ask "create user \"$name\""
    ask "alter database \"$name\" owner to \"$name\""
    ;;
esac

# The index of pushed paths is in this machine's PostgreSQL, over its socket and without a password.
cache.wait_for_unit("postgresql.service")
cache.wait_for_unit("rust-nix-serve.socket")
reachable(client)
key = public_key(cache)
token = make_token(cache, "ci", "read,push")
client.succeed(f"umask 077; echo 'machine cache login ci password {token}' >/root/netrc")
client.wait_until_succeeds(f"curl -sSf -u ci:{token} http://cache/push/nix-cache-info")


def push(path):
    return (
        f"HOME=$(mktemp -d) nix copy --to 'http://cache/push?compression=zstd' {path}"
        " --option netrc-file /root/netrc 2>&1"
    )


def status(path, options=""):
    url = f"http://cache/{path}"
    return client.succeed(f"curl -s -o /dev/null -w '%{{http_code}}' {options} {url}").strip()


def indexed():
    """How many paths PostgreSQL has, as the account of the daemon sees it."""
    question = "select count(*) from paths"
    ask = f"psql -h /run/postgresql -d rust-nix-serve -Atc '{question}'"
    return int(cache.succeed(f"cd / && runuser -u rust-nix-serve -- {ask}"))


first = build(client, "first", noise=4000, dependency="true")
client.succeed(push(first))
assert indexed() == 2, indexed()
cache.fail("find /srv/cache -name '*.sqlite' | grep .")

# Both outlive a restart.
cache.succeed("systemctl restart postgresql.service && systemctl restart rust-nix-serve.service")
second = build(client, "second")
client.succeed(push(second))
assert indexed() == 3, indexed()
log = f"rust-nix-serve storage log {first} -c /etc/rust-nix-serve/config.toml"
cache.succeed(f"cd / && runuser -u rust-nix-serve -- {log} | grep 'token ci'")

# Without the database no upload is taken, and published paths are still read.
cache.succeed("systemctl stop postgresql.service")
narinfo = f"{hash_part(first)}.narinfo"
client.succeed(f"curl -sSf -o /tmp/narinfo http://cache/{narinfo}")
assert status(f"push/{narinfo}", f"-u ci:{token} -T /tmp/narinfo") == "503"
client.succeed(f"nix-store --delete {first}")
client.succeed(realise(first, "http://cache", key))
cache.succeed("systemctl start postgresql.service")
third = build(client, "third")
client.wait_until_succeeds(push(third))
assert indexed() == 4, indexed()

# A storage with a limit stays below it while more than that is pushed, and keeps what a root names. The commands are those
# of docs/retention.md.
cache.wait_for_unit("rust-nix-serve.socket")
reachable(client)
key = public_key(cache)
token = make_token(cache, "ci", "read,push")
client.succeed(f"umask 077; echo 'machine cache login ci password {token}' >/root/netrc")
client.wait_until_succeeds(f"curl -sSf -u ci:{token} http://cache/push/nix-cache-info")
limit = 2 * 1024 * 1024


def operator(words):
    """A command of the operator."""
    return f"sudo -u rust-nix-serve rust-nix-serve {words} -c /etc/rust-nix-serve/config.toml"


def day(number):
    """Pushes 0.7 MB, as on each day, and returns the path."""
    path = build(client, f"day-{number}", noise=20000)
    client.succeed(
        f"HOME=$(mktemp -d) nix copy --to 'http://cache/push?compression=zstd' {path}"
        " --option netrc-file /root/netrc 2>&1"
    )
    return path


below = f"test $(find /srv/cache/nar -type f -printf '%s\\n' | awk '{{ s += $1 }} END {{ print s + 0 }}') -le {limit}"
release = day(0)
cache.succeed(operator(f"pin add release {release} --revisions 3"))
cache.succeed(operator("pin list") + f" | grep -F {release}")
assert "the root release needs it" in cache.succeed(operator(f"storage why {release}"))

days = [day(number) for number in range(1, 5)]
# The server collects by itself, without a command.
cache.wait_until_succeeds(below)
cache.wait_until_succeeds(operator("storage gc --dry-run") + " | grep 'would go: 0 paths'")

# Once more, by hand.
days.append(day(5))
cache.wait_until_succeeds(operator("storage gc") + f" >&2; {below}")

# The oldest went, and named and new paths are whole.
client.wait_until_succeeds(
    f"curl -s -o /dev/null -w '%{{http_code}}' http://cache/{hash_part(days[0])}.narinfo | grep -x 404"
)
for path in [release, days[-1]]:
    hash = nar_hash(client, path)
    client.succeed(f"nix-store --delete {path}")
    client.succeed(realise(path, "http://cache", key))
    assert nar_hash(client, path) == hash

# Without its root the release goes like anything else.
cache.succeed(operator("pin remove release"))
cache.succeed(operator(f"storage delete {release}") + " | grep deleted")

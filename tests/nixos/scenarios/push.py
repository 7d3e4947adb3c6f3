# A machine pushes its builds with plain `nix copy`, over HTTPS, and others get them: from a directory, or from a bucket.
acme.wait_for_open_port(15000)
cache.wait_for_unit("rust-nix-serve.socket")
cache.wait_for_open_port(443)
client.wait_until_succeeds("curl -sSfk https://acme.test:15000/roots/0 >/tmp/ca.pem")
cache.wait_until_succeeds("curl -sSfk https://acme.test:15000/roots/0 >/tmp/ca.pem")
base, host = "https://cache.example.org", "cache.example.org"
curl = "curl -s --cacert /tmp/ca.pem"


def make_token(name, allow):
    """The token, and the line that stands for it on the cache."""
    token = cache.succeed(f"rust-nix-serve token create {name} --allow {allow} --file - 2>/tmp/explanation").strip()
    return token, cache.succeed(f"grep '^{name} .*sha256:' /tmp/explanation").strip()


def push(path, name):
    """The command by which a client pushes a path and all that it refers to."""
    return (
        f"HOME=$(mktemp -d) nix copy --to '{base}/push?compression=zstd' {path}"
        f" --option netrc-file /root/{name} --option ssl-cert-file /tmp/ca.pem 2>&1"
    )


def get(path):
    return realise(path, base, key, "--option netrc-file /root/reader --option ssl-cert-file /tmp/ca.pem")


def status(url, options=""):
    return client.succeed(f"{curl} -o /dev/null -w '%{{http_code}}' {options} '{url}'").strip()


ci, ci_line = make_token("ci", "read,push")
reader, reader_line = make_token("reader", "read")
cache.succeed(f"mkdir -p /var/secrets && umask 077 && printf '%s\\n' '{ci_line}' '{reader_line}' >/var/secrets/tokens")
for machine in [client, cache]:
    for name, token in [("ci", ci), ("reader", reader)]:
        machine.succeed(f"umask 077; echo 'machine {host} login {name} password {token}' >/root/{name}")
client.wait_until_succeeds(f"{curl} -f -u reader:{reader} {base}/readyz {base}/nix-cache-info")
key = public_key(cache)

# More than ten megabytes compressed, and a second path that it refers to; the cache has never seen either.
path = build(client, "pushed", noise=400000, dependency="true")
narinfo = f"{base}/{hash_part(path)}.narinfo"
cache.fail(f"test -e {path}")

# Who may not push stores nothing, and need not send anything to learn it.
client.fail(push(path, "reader"))
client.succeed("head -c 5000000 /dev/urandom >/tmp/large")


def answers(user=""):
    """The statuses that a client gets that waits for leave before it sends a large NAR."""
    client.succeed(
        f"{curl} -v -o /dev/null {user} -T /tmp/large -H 'Expect: 100-continue' --http1.1 --expect100-timeout 30"
        f" {base}/push/nar/{'0' * 52}.nar >/tmp/trace 2>&1"
    )
    return client.succeed("sed -n 's|^< HTTP/1.1 \\([0-9]*\\).*|\\1|p' /tmp/trace").split()


assert answers() == ["401"], client.succeed("cat /tmp/trace")
assert answers(f"-u reader:{reader}") == ["403"], client.succeed("cat /tmp/trace")
# Who may is asked to go on; that this is no NAR shows when it is there.
assert answers(f"-u ci:{ci}") == ["100", "400"], client.succeed("cat /tmp/trace")
assert status(narinfo, f"-u ci:{ci}") == "404"

# The address that is read says where to push to.
client.succeed(
    f"{curl} -u ci:{ci} -w ' %{{http_code}}' -X PUT -d x {base}/{hash_part(path)}.narinfo | tr '\\n' ' '"
    " | grep '/push' | grep -q '405$'"
)

client.succeed(push(path, "ci"))
# Again, by a machine that does not know that it is there.
client.succeed(push(path, "ci"))
assert status(narinfo) == "401"
signature = key.split(":")[0]
client.succeed(f"{curl} -f -u reader:{reader} {narinfo} | grep -q '^Sig: {signature}:'")

# It outlives the daemon, and its files are the daemon's alone.
cache.succeed("systemctl restart rust-nix-serve.service")
cache.succeed(
    "! test -e /srv/cache || { test $(stat -c %U:%G:%a /srv/cache) = rust-nix-serve:rust-nix-serve:2750"
    " && test -s /srv/cache/nix-cache-info && test -z \"$(find /srv/cache ! -group rust-nix-serve)\"; }"
)

# The machine that built it has lost it and gets it back; another one has never had it.
hash = nar_hash(client, path)
client.succeed(f"nix-store --delete {path}")
client.fail(f"test -e {path}")
for machine in [client, cache]:
    machine.succeed(get(path))
    assert nar_hash(machine, path) == hash
    machine.succeed(f"nix store verify --trusted-public-keys '{key}' {path}")

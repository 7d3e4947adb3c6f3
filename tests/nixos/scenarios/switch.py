# From a closed cache to a public one and back, as people come to it: each switch ends well, running downloads go on to their end,
# and the new configuration is in effect at once.
def served(machine, url, status=200, options=""):
    machine.wait_until_succeeds(f"test $(curl -s -o /dev/null -w '%{{http_code}}' {options} '{url}') = {status}")


def refused(machine, url):
    # Nothing listens (7), or the firewall is silent (28).
    machine.succeed(f"status=0; curl -s --connect-timeout 2 '{url}' || status=$?; test $status = 7 -o $status = 28")


def switch(to, machine, base, options="", rate="8M"):
    """Switches while a download runs, and sees it end."""
    url = nar_url(machine, base, large, options)
    # A compressed one is compared with itself.
    whole = nar_hash(cache, large)
    if not url.endswith(".nar"):
        whole = machine.succeed(f"curl -sSf {options} '{url}' | sha256sum").split()[0]
    slow_download(machine, url, "/tmp/large.nar", rate, options)
    cache.succeed(f"switch-to {to} >&2")
    assert finished(machine, "/tmp/large.nar") == whole
    cache.succeed("systemctl is-active rust-nix-serve.service")
    cache.succeed("test -z \"$(systemctl list-units 'rust-nix-serve*' --state=failed,auto-restart --plain --no-legend)\"")


local, other = "http://127.0.0.1:5000", "http://127.0.0.1:8080"
cache.wait_for_unit("rust-nix-serve-tcp.socket")
large = build(cache, "large", doublings=21, noise=20000)
kept = build(cache, "kept")
cache.succeed(f"nix-env -p /nix/var/nix/profiles/ci --set {kept}")
cache.wait_until_succeeds(f"curl -sSf {local}/readyz")

# Another port.
switch("port", cache, local)
served(cache, f"{other}/nix-cache-info")
served(cache, "http://[::1]:8080/nix-cache-info")
refused(cache, local)

# A name for others.
switch("hostName", cache, other)
served(client, "http://cache/nix-cache-info")
refused(cache, other)

# A reload takes up the policy of exposure, too.
pid = main_pid(cache)
switch("priority", client, "http://cache")
client.wait_until_succeeds("curl -sSf http://cache/nix-cache-info | grep -qx 'Priority: 30'")
served(client, f"http://cache/{hash_part(kept)}.narinfo")
served(client, f"http://cache/{hash_part(large)}.narinfo", 404)
assert main_pid(cache) == pid
cache.succeed("switch-to hostName >&2")
served(client, f"http://cache/{hash_part(large)}.narinfo")
assert main_pid(cache) == pid

# Addresses of its own beside nginx, and another port there.
switch("both", client, "http://cache")
served(cache, f"{local}/nix-cache-info")
switch("both-port", client, "http://cache")
served(cache, f"{other}/nix-cache-info")
served(client, "http://cache/nix-cache-info")
refused(cache, local)

# Compressed, by an nginx that is not started anew for that and has its old groups.
switch("narCache", client, "http://cache")
refused(cache, other)
path = build(cache, "greeting", noise=10000)
client.succeed(f"curl -sSf http://cache/{hash_part(path)}.narinfo | grep -qx 'Compression: zstd'")
for attempt in ["cold", "warm"]:
    url = nar_url(client, "http://cache", path)
    served(client, url)

# Only who has a token; the file comes with the switch.
token = cache.succeed("rust-nix-serve token create laptop --file - 2>/tmp/explanation").strip()
cache.succeed("umask 077; mkdir -p /run/secrets && grep '^laptop .*sha256:' /tmp/explanation >/run/secrets/tokens")
switch("tokens", client, "http://cache", rate="200k")
served(client, "http://cache/nix-cache-info", 401)
served(client, "http://cache/nix-cache-info", 200, f"-u laptop:{token}")

# Back: nothing is left open, nor any copy of the tokens.
cache.succeed("switch-to closed >&2")
served(cache, f"{local}/nix-cache-info")
refused(client, "http://cache/nix-cache-info")
cache.succeed("! test -e /run/rust-nix-serve-keys")

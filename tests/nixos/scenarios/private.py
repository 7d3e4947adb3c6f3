# Only who has a token reads; a token that is revoked ends that within seconds, and cuts nothing.
def status(url, options=""):
    return client.succeed(f"curl -s -o /dev/null -w '%{{http_code}}' {options} {url}").strip()


def make_token(name):
    """The token, which goes into the client's netrc file, and the line that stands for it on the cache."""
    token = cache.succeed(f"rust-nix-serve token create {name} --file - 2>/tmp/explanation").strip()
    return token, cache.succeed(f"grep '^{name} .*sha256:' /tmp/explanation").strip()


def write_tokens(*lines):
    text = "\n".join(lines)
    cache.succeed(
        f"mkdir -p /var/secrets && umask 077 && echo '{text}' >/var/secrets/new && mv /var/secrets/new /var/secrets/tokens"
    )


cache.wait_for_unit("rust-nix-serve.socket")
laptop, laptop_line = make_token("laptop")
server, server_line = make_token("server")
write_tokens(laptop_line, server_line)
path = build(cache, "greeting")
large = build(cache, "large", doublings=22)
narinfo = f"http://cache/{hash_part(path)}.narinfo"
client.wait_until_succeeds(f"curl -sSf -u laptop:{laptop} {narinfo}")
pid = main_pid(cache)

# A stranger learns nothing, not even which paths are there.
for url in [narinfo, f"http://cache/{'0' * 32}.narinfo", "http://cache/nix-cache-info"]:
    assert status(url) == "401"
client.succeed(f"curl -s -D /tmp/head -o /dev/null {narinfo} && grep -qi '^www-authenticate: *basic' /tmp/head")
assert status("http://cache/healthz") == "200"
# Nor does a certificate that is only said help: there is a rule for such ones, but nginx has asked for none.
assert status(narinfo, "-H 'X-SSL-Client-Verify: SUCCESS' -H 'X-SSL-Client-S-DN: O=Example'") == "401"

key = public_key(cache)
netrc = "(umask 077; echo 'machine cache login laptop password {}' >/root/netrc)"
with_netrc = realise(path, "http://cache", key, "--option netrc-file /root/netrc")
client.fail(realise(path, "http://cache", key))
client.succeed(netrc.format("wrong"))
client.fail(with_netrc)
client.fail(f"test -e {path}")
client.succeed(netrc.format(laptop))
client.succeed(with_netrc)

# The laptop is lost in the middle of a download.
slow_download(client, nar_url(client, f"http://laptop:{laptop}@cache", large), "/tmp/large.nar")
write_tokens(server_line)
client.wait_until_succeeds(f"test $(curl -s -o /dev/null -w '%{{http_code}}' -u laptop:{laptop} {narinfo}) = 401")
running(client, "/tmp/large.nar")
assert status(narinfo, f"-u server:{server}") == "200"
assert finished(client, "/tmp/large.nar") == nar_hash(cache, large)
assert main_pid(cache) == pid

# A configuration that the daemon refuses makes the reload fail, and all stays as it was.
write_tokens("no token at all")
cache.fail("systemctl reload rust-nix-serve.service")
assert status(narinfo, f"-u server:{server}") == "200"
write_tokens(server_line)
cache.succeed("systemctl reload rust-nix-serve.service")
assert status(narinfo, f"-u server:{server}") == "200"
assert main_pid(cache) == pid

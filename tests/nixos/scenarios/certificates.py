# nginx asks clients for a certificate; the daemon's configuration gives it permissions.
def status(options):
    url = "https://cache.example.org/nix-cache-info"
    return client.succeed(f"curl -s -o /dev/null -w '%{{http_code}}' --cacert /tmp/ca.pem {options} {url}").strip()


acme.wait_for_open_port(15000)
cache.wait_for_unit("rust-nix-serve.socket")
client.wait_until_succeeds("curl -sSfk https://acme.test:15000/roots/0 >/tmp/ca.pem")
client.wait_until_succeeds("curl -sSf --cacert /tmp/ca.pem https://cache.example.org/healthz")

assert status("--cert /etc/client.pem") == "200"
assert status("") == "401"
# One by another authority with the same name, and none at all but words about it.
assert status("--cert /etc/stranger.pem") == "400"
assert status("-H 'X-SSL-Client-Verify: SUCCESS' -H 'X-SSL-Client-S-DN: O=Example'") == "401"

path = build(cache, "greeting")
key = public_key(cache)
trusting = "--option ssl-cert-file /tmp/ca.pem"
client.fail(realise(path, "https://cache.example.org", key, trusting))
shown = "?tls-certificate=/etc/client.pem&tls-private-key=/etc/client.pem"
client.succeed(realise(path, f"https://cache.example.org{shown}", key, trusting))

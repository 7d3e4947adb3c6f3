# The certificate comes from an ACME server by HTTP-01; clients come over HTTPS, HTTP/2 and both address families.
acme.wait_for_open_port(15000)
cache.wait_for_unit("rust-nix-serve.socket")
cache.wait_for_open_port(443)

client.wait_until_succeeds("curl -sSfk https://acme.test:15000/roots/0 >/tmp/ca.pem")
curl = "curl -sSf --cacert /tmp/ca.pem"
client.wait_until_succeeds(f"{curl} https://cache.example.org/nix-cache-info")

path = build(cache, "greeting")
client.succeed(
    realise(path, "https://cache.example.org", public_key(cache), "--option ssl-cert-file /tmp/ca.pem")
)

for family in ["-4", "-6"]:
    client.succeed(f"{curl} {family} https://cache.example.org/nix-cache-info | grep -q '^StoreDir: /nix/store$'")
client.succeed(
    f"test $({curl} -o /dev/null -w '%{{http_version}}' https://cache.example.org/nix-cache-info) = 2"
)
# Plain HTTP leads here; metrics are not for strangers.
client.succeed("curl -s -o /dev/null -w '%{redirect_url}' http://cache.example.org/x | grep -qx https://cache.example.org/x")
client.fail(f"{curl} https://cache.example.org/metrics")

# A machine pushes its builds and keeps one of two paths by a root, over HTTPS; the other one goes, and the first one stays.
acme.wait_for_open_port(15000)
cache.wait_for_unit("rust-nix-serve.socket")
cache.wait_for_open_port(443)
client.wait_until_succeeds("curl -sSfk https://acme.test:15000/roots/0 >/tmp/ca.pem")
base, host = "https://cache.example.org", "cache.example.org"
curl = "curl -sS --cacert /tmp/ca.pem --netrc-file /root/ci"

explanation = "/tmp/explanation"
token = cache.succeed(f"rust-nix-serve token create ci --allow read,push,pin --file - 2>{explanation}").strip()
line = cache.succeed(f"grep '^ci .*sha256:' {explanation}").strip()
cache.succeed(f"mkdir -p /var/secrets && umask 077 && printf '%s\\n' '{line}' >/var/secrets/tokens")
client.succeed(f"umask 077; echo 'machine {host} login ci password {token}' >/root/ci")
client.wait_until_succeeds(f"{curl} -f {base}/readyz {base}/nix-cache-info")
key = public_key(cache)


def push(path):
    client.succeed(
        f"HOME=$(mktemp -d) nix copy --to '{base}/push?compression=zstd' {path}"
        " --option netrc-file /root/ci --option ssl-cert-file /tmp/ca.pem 2>&1"
    )


kept = build(client, "kept", noise=40000, dependency="true")
left = build(client, "left", noise=40000)
push(kept)
push(left)

# The line of the documentation: curl asks for leave before it sends a body of unknown length.
pin = f"{curl} --fail-with-body --upload-file -"
client.succeed(f"readlink -f {kept} | {pin} '{base}/gcroots/project/main?revisions=5' >&2")
client.succeed(f"echo {left} | {pin} -H 'Expect: 100-continue' '{base}/push/gcroots/pr/1?days=90' >&2")
client.succeed(f"{curl} -f -H 'Accept: application/json' {base}/gcroots/pr/1 >/tmp/root.json")
# The rule of the cache allows seven days.
client.succeed("grep -q '\"expires\":\"20' /tmp/root.json")
client.succeed(f"{curl} -f '{base}/gcroots?sizes=1' | grep '^project/main .*frees '")

# A root with a missing path names it, and nothing is set.
missing = build(client, "missing")
client.succeed(f"echo {missing} | {curl} -o /tmp/refused -w '%{{http_code}}' -T - {base}/gcroots/x | grep -x 409")
client.succeed(f"grep -q {hash_part(missing)} /tmp/refused")

# Without the token nothing is shown, and nothing is deleted.
client.succeed(f"curl -s --cacert /tmp/ca.pem -o /dev/null -w '%{{http_code}}' -X DELETE {base}/gcroots/pr/1 | grep -x 401")
client.succeed(f"{curl} -f -X DELETE {base}/gcroots/pr/1 >&2")
client.succeed(f"{curl} -f {base}/gcroots | grep -c . | grep -x 1")

# Roots outlive the daemon, and its index.
cache.succeed("systemctl restart rust-nix-serve.service")
client.wait_until_succeeds(f"{curl} -f {base}/gcroots/project/main | grep -F {kept}")

# A path that no root needs goes once it is old enough; the paths that the root needs stay and come back whole.
gc = "runuser -u rust-nix-serve -- rust-nix-serve storage gc -c /etc/rust-nix-serve/config.toml"
cache.wait_until_succeeds(f"{gc} >&2; ! test -e /srv/cache/{hash_part(left)}.narinfo")
hash = nar_hash(client, kept)
client.succeed(f"nix-store --delete {kept}")
client.succeed(realise(kept, base, key, "--option netrc-file /root/ci --option ssl-cert-file /tmp/ca.pem"))
assert nar_hash(client, kept) == hash
assert client.succeed(f"{curl} -o /dev/null -w '%{{http_code}}' {base}/{hash_part(left)}.narinfo").strip() == "404"

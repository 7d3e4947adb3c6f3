# The same store over SSH: older paths and later builds carry the signature of the cache.
cache.wait_for_unit("rust-nix-serve.socket")
cache.wait_for_open_port(22)
early = build(cache, "early")
cache.succeed("systemctl restart rust-nix-serve-sign.service")
late = build(cache, "late")
key = public_key(cache)

reachable(client)
client.succeed("install -m 600 /etc/client-key /root/client-key")
ssh = "NIX_SSHOPTS='-i /root/client-key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null'"
for path in [early, late]:
    client.succeed(f"{ssh} {realise(path, 'ssh://nix-ssh@cache', key)}")
    client.succeed(f"nix store verify --trusted-public-keys '{key}' {path}")

# They read, and do no more.
client.fail("ssh -i /root/client-key -o StrictHostKeyChecking=no nix-ssh@cache id | grep uid=")

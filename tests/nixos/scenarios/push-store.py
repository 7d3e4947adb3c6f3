# A machine pushes its builds into the store of another one, which keeps them for their time and hands them on.
cache.wait_for_unit("rust-nix-serve.socket")
reachable(client)
key = public_key(cache)
token = cache.succeed("rust-nix-serve token create ci --allow read,push --file - 2>/tmp/explanation").strip()
line = cache.succeed("grep '^ci .*sha256:' /tmp/explanation").strip()
cache.succeed(f"mkdir -p /var/secrets && umask 077 && echo '{line}' >/var/secrets/tokens")
client.succeed(f"umask 077; echo 'machine cache login ci password {token}' >/root/netrc")
client.wait_until_succeeds(f"curl -sSf -u ci:{token} http://cache/push/nix-cache-info")

path = build(client, "pushed", noise=4000, dependency="true")
name = path.removeprefix("/nix/store/")
roots = "/nix/var/nix/gcroots/rust-nix-serve/pushed/token+ci"
cache.fail(f"test -e {path}")
client.succeed(
    f"HOME=$(mktemp -d) nix copy --to 'http://cache/push?compression=zstd' {path} --option netrc-file /root/netrc 2>&1"
)

# It is there to be used, and stays when everything else goes that nothing needs.
cache.succeed(f"nix-store --check-validity {path} && test -L {roots}/{name}")
cache.succeed("systemctl restart rust-nix-serve.service && nix-store --gc 2>&1")
cache.succeed(f"nix store verify --no-trust {path}")
cache.succeed("test $(stat -c %U:%G /nix/var/nix/gcroots/rust-nix-serve) = rust-nix-serve:rust-nix-serve")

# The machine that built it has lost it and gets it back, signed.
hash = nar_hash(client, path)
client.succeed(f"nix-store --delete {path}")
client.succeed(realise(path, "http://cache", key))
assert nar_hash(client, path) == hash

# Its time is over.
cache.succeed(f"touch -h -d '40 days ago' {roots}/* && systemctl restart rust-nix-serve.service")
cache.wait_until_succeeds(f"! test -L {roots}/{name}")
cache.succeed("nix-store --gc 2>&1")
cache.fail(f"test -e {path}")

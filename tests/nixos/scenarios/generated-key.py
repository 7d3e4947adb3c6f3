# The key is made once, is for the daemon alone, and is the same after a reboot.
cache.wait_for_unit("rust-nix-serve.socket")
cache.wait_until_succeeds("curl -sSf http://cache/readyz")
key = public_key(cache)

cache.succeed("test $(stat -c %U:%a /var/lib/rust-nix-serve/secret-key) = rust-nix-serve:600")
cache.succeed("test $(stat -c %a /var/lib/rust-nix-serve/public-key) = 644")
assert cache.succeed("rust-nix-serve key public /var/lib/rust-nix-serve/secret-key").strip() == key
reachable(client)
assert client.succeed("curl -sSf http://cache/pubkey").strip() == key

path = build(cache, "greeting")
cache.shutdown()
cache.start()
cache.wait_for_unit("rust-nix-serve.socket")
client.wait_until_succeeds("curl -sSf http://cache/readyz")

assert public_key(cache) == key
client.succeed(realise(path, "http://cache", key))

# A lost key is not replaced silently.
cache.succeed("mv /var/lib/rust-nix-serve/secret-key /root/backup")
cache.fail("systemctl restart rust-nix-serve-key.service")
cache.fail("test -e /var/lib/rust-nix-serve/secret-key")
assert public_key(cache) == key

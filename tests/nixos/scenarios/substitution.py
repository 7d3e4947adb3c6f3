# A client trusts the key of the cache and gets a signed path with its references.
cache.wait_for_unit("rust-nix-serve.socket")
path = build(cache, "greeting", dependency="true")
key = public_key(cache)

reachable(client)
client.succeed(realise(path, "http://cache", key))
client.succeed(f"grep -q greeting {path}")
assert nar_hash(client, path) == nar_hash(cache, path)

# The signature came along, and is the one of this cache.
name = key.split(":")[0]
client.succeed(f"nix path-info --sigs {path} | grep -qF '{name}:'")
client.succeed(f"nix store verify --trusted-public-keys '{key}' {path}")

# A path that the cache does not have is a miss, not a failure.
client.succeed(f"test $(curl -s -o /dev/null -w '%{{http_code}}' http://cache/{'0' * 32}.narinfo) = 404")

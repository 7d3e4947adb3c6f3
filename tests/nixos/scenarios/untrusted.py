# A client that was not told the key of the cache takes nothing from it.
cache.wait_for_unit("rust-nix-serve.socket")
path = build(cache, "greeting")
other = "other-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="

reachable(client)
client.succeed(f"curl -sSf http://cache/{hash_part(path)}.narinfo | grep '^Sig: '")
client.fail(realise(path, "http://cache", other))
client.fail(f"test -e {path}")
client.succeed(realise(path, "http://cache", public_key(cache)))

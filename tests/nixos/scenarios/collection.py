# A garbage collection during a download does not wait, takes unused paths, and leaves the one that is being sent.
cache.wait_for_unit("rust-nix-serve.socket")
path = build(cache, "large", doublings=22)
unused = build(cache, "unused")
client.wait_until_succeeds("curl -sSf http://cache/readyz")
expected = nar_hash(cache, path)

slow_download(client, nar_url(client, "http://cache", path), "/tmp/large.nar")
cache.succeed("nix-collect-garbage")
running(client, "/tmp/large.nar")
cache.fail(f"test -e {unused}")
cache.succeed(f"test -e {path}")
assert finished(client, "/tmp/large.nar") == expected

# Nothing holds it for long afterwards, and then it is a miss.
cache.wait_until_succeeds(f"nix-collect-garbage && ! test -e {path}", timeout=300)
client.succeed(f"test $(curl -s -o /dev/null -w '%{{http_code}}' http://cache/{hash_part(path)}.narinfo) = 404")

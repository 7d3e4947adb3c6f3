# Only a profile and its closure are visible, for every client and every way of asking; it is followed when it changes.
def answer(resource):
    """Status and headers, without what is different at every request."""
    head = client.succeed(f"curl -s -o /dev/null -D - http://cache/{resource} | tr -d '\\r' | grep -vi '^date:'")
    return head.strip()


cache.wait_for_unit("rust-nix-serve.socket")
profile = "nix-env -p /nix/var/nix/profiles/ci --set"
shown = build(cache, "shown", dependency="true")
hidden = build(cache, "hidden")
cache.succeed(f"{profile} {shown}")
client.wait_until_succeeds(f"curl -sSf http://cache/{hash_part(shown)}.narinfo")

key = public_key(cache)
client.succeed(realise(shown, "http://cache", key))
client.fail(realise(hidden, "http://cache", key))

# A hidden path looks like a missing one.
missing = "0" * 32
for resource in ["{}.narinfo", "{}.ls", "nar/{}.nar", "serve/{}/"]:
    assert answer(resource.format(hash_part(hidden))) == answer(resource.format(missing))
assert " 404" in answer(f"{hash_part(hidden)}.narinfo").splitlines()[0]

cache.succeed(f"{profile} {hidden}")
client.wait_until_succeeds(f"curl -sSf http://cache/{hash_part(hidden)}.narinfo")
client.wait_until_succeeds(f"test $(curl -s -o /dev/null -w '%{{http_code}}' http://cache/{hash_part(shown)}.narinfo) = 404")

# Another configuration is switched to during a download: the download ends whole, the new configuration serves, and shows
# what it says.
def status(path):
    return f"test $(curl -s -o /dev/null -w '%{{http_code}}' http://cache/{hash_part(path)}.narinfo)"


cache.wait_for_unit("rust-nix-serve.socket")
path = build(cache, "large", doublings=22)
kept = build(cache, "kept")
cache.succeed(f"nix-env -p /nix/var/nix/profiles/ci --set {kept}")
client.wait_until_succeeds("curl -sSf http://cache/readyz")
client.succeed("curl -sSf http://cache/nix-cache-info | grep -qx 'Priority: 50'")

slow_download(client, nar_url(client, "http://cache", path), "/tmp/large.nar")
cache.succeed("switch-to-other-configuration")
client.wait_until_succeeds("curl -sSf http://cache/nix-cache-info | grep -qx 'Priority: 30'")
client.wait_until_succeeds(f"{status(kept)} = 200")
client.succeed(f"{status(path)} = 404")
assert finished(client, "/tmp/large.nar") == nar_hash(cache, path)

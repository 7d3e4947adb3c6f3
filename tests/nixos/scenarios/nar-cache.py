# A NAR is compressed once; then nginx sends it from the directory, and the daemon does when the file is gone.
cache.wait_for_unit("rust-nix-serve.socket")
path = build(cache, "large", noise=20000)
key = public_key(cache)
client.wait_until_succeeds("curl -sSf http://cache/readyz")
client.succeed(f"curl -sSf http://cache/{hash_part(path)}.narinfo | grep -qx 'Compression: zstd'")
url = nar_url(client, "http://cache", path)

client.succeed(realise(path, "http://cache", key))
assert nar_hash(client, path) == nar_hash(cache, path)

# It has been kept, where nginx may read it and others may not.
files = "find /var/cache/rust-nix-serve -type f -name '*-zstd-*'"
cache.wait_until_succeeds(f"{files} | grep -q .")
cache.succeed("test $(stat -c %U:%G:%a /var/cache/rust-nix-serve) = rust-nix-serve:rust-nix-serve-nars:750")

# nginx reads them: the kernel notes that it did. The daemon sends those that nginx may not read, as long as nginx has
# the groups from before it was let in.
status = f"curl -s -o /dev/null -w '%{{http_code}}' '{url}'"
log = "cat /var/log/nginx/error.log; journalctl --no-pager -u nginx"
refused = f"({log}) 2>/dev/null | grep -c 'Permission denied' || true"
before = cache.succeed(refused)
client.succeed(f"test $({status}) = 200")
assert cache.succeed(refused) == before
cache.succeed("chmod 700 /var/cache/rust-nix-serve")
client.succeed(f"test $({status}) = 200")
assert cache.succeed(refused) != before
cache.succeed("chmod 750 /var/cache/rust-nix-serve")
client.succeed(f"test $({status}) = 200")

# The same bytes under the same name from both: a download may begin at one and end at the other.
client.succeed(f"curl -sSf -D /tmp/warm.head -o /tmp/warm '{url}'")
client.succeed(f"curl -sSf -r 1000- -o /tmp/rest '{url}' && tail -c +1001 /tmp/warm | cmp - /tmp/rest")
cache.succeed(f"{files} -delete")
client.succeed(f"curl -sSf -D /tmp/cold.head -o /tmp/cold '{url}' && cmp /tmp/warm /tmp/cold")
etag = "grep -i '^etag:' /tmp/{}.head"
assert client.succeed(etag.format("warm")) == client.succeed(etag.format("cold"))

# The directory cannot be walked through the location.
client.succeed("test $(curl -s -o /dev/null -w '%{http_code}' http://cache/nar-cache/) = 404")

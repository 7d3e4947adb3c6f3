# A key that changes during a download takes effect, and the download is not cut.
make = (
    "mkdir -p /var/secrets && cd /var/secrets && umask 077 && rm -f next"
    " && nix-store --generate-binary-cache-key {name} next public.pem && mv next cache.pem"
)
cache.wait_for_unit("rust-nix-serve.service")
cache.succeed(make.format(name="old-1"))
path = build(cache, "large", doublings=22)
narinfo = f"curl -sSf http://cache/{hash_part(path)}.narinfo"
client.wait_until_succeeds(f"{narinfo} | grep '^Sig: old-1:'")

pid = main_pid(cache)
slow_download(client, nar_url(client, "http://cache", path), "/tmp/large.nar")
cache.succeed(make.format(name="new-1"))
client.wait_until_succeeds(f"{narinfo} | grep '^Sig: new-1:'")
client.fail(f"{narinfo} | grep '^Sig: old-1:'")
running(client, "/tmp/large.nar")

assert finished(client, "/tmp/large.nar") == nar_hash(cache, path)
assert main_pid(cache) == pid

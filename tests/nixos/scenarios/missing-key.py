# The key is not there yet: the daemon runs, says that it lacks it, and goes on by itself when the key comes.
cache.wait_for_unit("rust-nix-serve.service")
path = build(cache, "greeting")
narinfo = f"http://cache/{hash_part(path)}.narinfo"
reachable(client)
status = "curl -s -o /dev/null -w '%{http_code}'"

client.succeed(f"test $({status} {narinfo}) = 503")
client.succeed(f"test $({status} http://cache/readyz) = 503")
client.succeed(f"test $({status} http://cache/healthz) = 200")
cache.succeed(
    "journalctl --no-pager -u 'rust-nix-serve*' | grep -F /var/secrets/cache.pem"
    " | grep -q services.rust-nix-serve.secretKeyFile"
)
# No restart loop, no dead socket.
pid = main_pid(cache)
cache.succeed("systemctl is-active rust-nix-serve.socket")
cache.succeed("test $(systemctl show --property NRestarts --value rust-nix-serve.service) = 0")

cache.succeed(
    "mkdir -p /var/secrets && cd /var/secrets && umask 077"
    " && nix-store --generate-binary-cache-key cache-1 cache.new public.pem && mv cache.new cache.pem"
)
client.wait_until_succeeds(f"{status} {narinfo} | grep -qx 200")
client.succeed(realise(path, "http://cache", cache.succeed("cat /var/secrets/public.pem").strip()))
assert main_pid(cache) == pid

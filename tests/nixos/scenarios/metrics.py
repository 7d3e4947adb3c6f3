# Metrics are for this machine, without a token, on a listener of their own; others get none, with any token.
def status(machine, url, options=""):
    return machine.succeed(f"curl -s -o /dev/null -w '%{{http_code}}' {options} {url}").strip()


cache.wait_for_unit("rust-nix-serve-metrics.socket")
token = cache.succeed("rust-nix-serve token create watcher --allow metrics --file - 2>/tmp/explanation").strip()
cache.succeed("umask 077; mkdir -p /var/secrets && grep '^watcher .*sha256:' /tmp/explanation >/var/secrets/tokens")
# The metrics of the process are there too, although it sees little of /proc and is not dumpable.
for name in ["process_open_fds", "process_resident_memory_bytes", "process_cpu_seconds_total"]:
    cache.wait_until_succeeds(f"curl -sSf http://127.0.0.1:5001/metrics | grep -q '^{name} '")
cache.wait_until_succeeds("curl -sSf http://127.0.0.1:5001/readyz")
assert status(cache, "http://127.0.0.1:5001/nix-cache-info") == "404"

reachable(client)
client.fail("curl -s --connect-timeout 5 http://cache:5001/metrics")
client.succeed("curl -sSf http://cache/readyz")
for machine in [client, cache]:
    assert status(machine, "http://cache/metrics", f"-u watcher:{token}") == "404"

# Builds wait in a queue while the cache is away, through a reboot, and are pushed once when the cache is back and the token
# another one.
import os

BUILDS = int(os.environ.get("RNS_BUILDS", "4"))

cache.wait_for_unit("rust-nix-serve.socket")
reachable(client)
key = public_key(cache)
token = make_token(cache, "ci", "read,push")
client.wait_for_unit("rust-nix-serve-push.service")
# The daemon began without a token that is good for anything; it gets the new one by itself.
client.succeed(f"umask 077; echo {token} >/var/secrets/token")


def there(path):
    return f"curl -sSf http://cache/{hash_part(path)}.narinfo | grep -q '^Sig: {key.split(':')[0]}:'"


def waiting():
    """How many paths wait in the queue of the machine."""
    status = client.succeed("rust-nix-serve queue status --json")
    return int(status.split('"waiting":')[1].split(",")[0])


first = build(client, "first")
client.wait_until_succeeds(there(first))
# The listing of its files, and the log of its build.
client.wait_until_succeeds(f"curl -sSf http://cache/{hash_part(first)}.ls")
derivation = client.succeed(f"basename $(nix-store --query --deriver {first})").strip()
client.wait_until_succeeds(f"curl -sSf http://cache/log/{derivation}")

new_token = make_token(cache, "ci-2", "read,push")
cache.succeed("sed -i '/^ci /d' /var/secrets/tokens")
cache.shutdown()
# No build fails, and none is lost.
half = BUILDS // 2
built = [build(client, f"away-{number}", dependency="true") for number in range(half)]
assert waiting() == 2 * half, waiting()
# And one reads why they wait, once all attempts to connect have run into their time-outs.
away = "rust-nix-serve queue status | grep -q 'the cache is away since .*next try'"
client.wait_until_succeeds(away, timeout=240)
client.shutdown()
client.start()
client.wait_for_unit("rust-nix-serve-push.service")
built += [build(client, f"after-the-reboot-{number}") for number in range(BUILDS - half)]
assert waiting() == half + BUILDS, waiting()

cache.start()
cache.wait_for_unit("rust-nix-serve.socket")
client.succeed(f"umask 077; echo {new_token} >/var/secrets/token")
client.wait_until_succeeds("rust-nix-serve queue status | grep -qx 'nothing waits'")
for path in [first, *built]:
    client.succeed(there(path))
    log = cache.succeed(
        f"runuser -u rust-nix-serve -- rust-nix-serve storage log {path} -c /etc/rust-nix-serve/config.toml"
    )
    assert log.count("token ci") == 1, log
    assert path == first or "token ci-2" in log, log

print(f"{len(built)} builds while the cache was away, each pushed once")

# Another machine gets all of it.
cache.fail(f"test -e {built[0]}")
cache.succeed(realise(built[0], "http://cache", key))

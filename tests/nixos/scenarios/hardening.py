# The unit as systemd runs it: its permissions, and that it can do its work so.
cache.wait_for_unit("rust-nix-serve.socket")
client.wait_until_succeeds("curl -sSf http://cache/readyz")
cache.succeed("systemd-analyze security --threshold=5 rust-nix-serve.service")

pid = main_pid(cache)
# A network of its own, with nothing in it but the sockets it was given.
cache.succeed(f"test $(readlink /proc/{pid}/ns/net) != $(readlink /proc/self/ns/net)")
cache.succeed(f"grep -q '^CapEff:.0000000000000000$' /proc/{pid}/status")
cache.succeed(f"grep -q '^NoNewPrivs:.1$' /proc/{pid}/status")

# `enable` alone lets nobody in from outside.
cache.wait_for_unit("rust-nix-serve.socket")
cache.wait_for_open_port(5000)
cache.succeed("curl -sSf http://127.0.0.1:5000/nix-cache-info")
cache.succeed("curl -sSf -g 'http://[::1]:5000/nix-cache-info'")
client.wait_until_succeeds("ping -c 1 cache")
for port in [80, 443, 5000]:
    client.fail(f"curl -sS --connect-timeout 3 http://cache:{port}/nix-cache-info")

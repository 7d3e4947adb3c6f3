# `enable` alone lets no client in from outside: not for want of listeners, but because the firewall is silent.
cache.wait_for_unit("rust-nix-serve-tcp.socket")
cache.wait_for_open_port(5000)
cache.succeed("curl -sSf http://127.0.0.1:5000/nix-cache-info")
cache.succeed("curl -sSf -g 'http://[::1]:5000/nix-cache-info'")

# Something that does listen on every address.
cache.succeed(
    "systemd-run --quiet rust-nix-serve serve --config /dev/null --listen 0.0.0.0:8080 --listen '[::]:8080'"
)
cache.wait_for_open_port(8080)

client.wait_until_succeeds("ping -c 1 cache")
for where in ["-4 http://cache:8080", "-6 http://cache:8080", "http://cache:80", "http://cache:443", "http://cache:5000"]:
    # Neither an answer nor a refusal.
    client.succeed(f"status=0; curl -sS --connect-timeout 2 {where}/nix-cache-info || status=$?; test $status = 28")

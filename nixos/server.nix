# services.rust-nix-serve: the machine's Nix store as a binary cache.
{
  imports = [
    ./server/options.nix
    ./server/exposure.nix
    ./server/access.nix
    ./server/assertions.nix
    ./server/settings.nix
    ./server/secrets.nix
    ./server/service.nix
    ./server/nginx.nix
    ./server/firewall.nix
    ./server/ssh.nix
    ./server/gc.nix
    ./server/prometheus.nix
  ];
}

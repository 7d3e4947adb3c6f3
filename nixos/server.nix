# services.rust-nix-serve: the machine's Nix store as a binary cache.
{
  imports = [
    ./server/options.nix
    ./server/exposure.nix
    ./server/access.nix
    ./server/oidc.nix
    ./server/caches.nix
    ./server/storage.nix
    ./server/upload.nix
    ./server/retention.nix
    ./server/assertions.nix
    ./server/mistakes.nix
    ./server/storage-mistakes.nix
    ./server/unused.nix
    ./server/plain-http.nix
    ./server/settings.nix
    ./server/listeners.nix
    ./server/secrets.nix
    ./server/service.nix
    ./server/nginx.nix
    ./server/firewall.nix
    ./server/ssh.nix
    ./server/gc.nix
    ./server/prometheus.nix
  ];
}

# services.rust-nix-serve on macOS, for nix-darwin: the machine's Nix store as a binary cache, under launchd.
{
  imports = [
    ../server/options.nix
    ../server/exposure.nix
    ../server/access.nix
    ../server/oidc.nix
    ../server/caches.nix
    ../server/storage.nix
    ../server/upload.nix
    ../server/retention.nix
    ../server/published.nix
    ../server/storage-mistakes.nix
    ../server/unused.nix
    ../server/plain-http.nix
    ../server/settings.nix
    ../server/listeners.nix
    ../server/secrets.nix
    ./absent.nix
    ./listeners.nix
    ./service.nix
  ];
}

{
  cache = {
    imports = [ ../machines/plain-cache.nix ];
    services.rust-nix-serve.narCache.enable = false;
  };
}

{
  cache = {
    imports = [ ../machines/plain-cache.nix ];
    services.rust-nix-serve = {
      secretKeyFile = "/run/secrets/key";
      tokensFile = "/run/secrets/tokens";
      narCache.enable = true;
    };
  };
}

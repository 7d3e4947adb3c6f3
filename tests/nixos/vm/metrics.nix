{
  cache = {
    imports = [ ../machines/plain-cache.nix ];
    services.rust-nix-serve = {
      tokensFile = "/var/secrets/tokens";
      prometheus.enable = true;
    };
  };
}

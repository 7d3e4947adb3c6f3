{
  cache = {
    imports = [ ../machines/plain-cache.nix ];
    services.rust-nix-serve = {
      narCache.enable = false;
      tokensFile = "/var/secrets/tokens";
      access.subjects = [ "read: O=Example" ];
    };
  };
}

{
  cache = {
    imports = [ ../machines/plain-cache.nix ];
    services.rust-nix-serve = {
      storage.url = "file:///srv/cache";
      index.createLocally = true;
      tokensFile = "/var/secrets/tokens";
      access.anonymous = [ "read" ];
    };
  };
}

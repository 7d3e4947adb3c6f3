{
  cache = {
    imports = [ ../machines/plain-cache.nix ];
    services.rust-nix-serve = {
      storage.url = "file:///srv/cache";
      tokensFile = "/var/secrets/tokens";
      access.anonymous = [ "read" ];
      retention = {
        minAge = "1s";
        maxSize = "2MiB";
      };
      settings.retention.interval = "1s";
    };
  };
}

let
  https = import ./https.nix;
in
https
// {
  cache = {
    imports = [ https.cache ];
    services.rust-nix-serve = {
      storage.url = "file:///srv/cache";
      tokensFile = "/var/secrets/tokens";
    };
  };
}

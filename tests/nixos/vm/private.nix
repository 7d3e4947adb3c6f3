{
  cache = {
    imports = [ ../machines/plain-cache.nix ];
    services.rust-nix-serve = {
      tokensFile = "/var/secrets/tokens";
      access.subjects = [ "read: O=Example" ];
    };
  };
}

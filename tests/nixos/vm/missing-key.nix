{
  cache = {
    imports = [ ../machines/plain-cache.nix ];
    services.rust-nix-serve.secretKeyFile = "/var/secrets/cache.pem";
  };
}

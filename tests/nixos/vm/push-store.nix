{
  cache = {
    imports = [ ../machines/plain-cache.nix ];
    # The daemon of Nix takes paths that it has checked.
    nix.settings.trusted-users = [ "rust-nix-serve" ];
    services.rust-nix-serve = {
      tokensFile = "/var/secrets/tokens";
      access.anonymous = [ "read" ];
      upload.target = "nix-store";
    };
  };
}

{
  cache.services.rust-nix-serve = {
    enable = true;
    hostName = "cache";
    expose.roots = [ "/nix/var/nix/profiles/ci" ];
  };
}

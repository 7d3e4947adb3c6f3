{
  cache =
    { pkgs, lib, ... }:
    let
      configurations =
        let
          public = {
            hostName = "cache";
            expose.everything = true;
            narCache.enable = false;
          };
          both = public // {
            bindAddress = [
              "127.0.0.1"
              "::1"
            ];
          };
          narCache = public // {
            narCache.enable = true;
          };
        in
        {
          port.port = 8080;
          hostName = public;
          priority = {
            hostName = "cache";
            narCache.enable = false;
            priority = 30;
            expose.roots = [ "/nix/var/nix/profiles/ci" ];
          };
          inherit both narCache;
          both-port = both // {
            port = 8080;
          };
          tokens = narCache // {
            tokensFile = "/run/secrets/tokens";
          };
        };
    in
    {
      services.rust-nix-serve.enable = true;
      # One name for the key, for any name of the cache.
      services.rust-nix-serve.keyName = "cache-1";
      services.nginx.enableReload = true;
      specialisation = lib.mapAttrs (_: options: {
        configuration.services.rust-nix-serve = options;
      }) configurations;
      environment.systemPackages = [
        (pkgs.writeShellScriptBin "switch-to" ''
          system=/run/booted-system
          [ "$1" = closed ] || system=$system/specialisation/$1
          exec $system/bin/switch-to-configuration test
        '')
      ];
    };
}

# Addresses of the daemon on macOS, which opens them itself.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.rust-nix-serve;
in
{
  options.services.rust-nix-serve.openPorts = lib.mkOption {
    type = lib.types.listOf lib.types.port;
    internal = true;
    readOnly = true;
    default = import ../data/ports.nix {
      virtualHost = null;
      inherit (cfg.listeners) addresses;
      inherit (cfg) port;
    };
    description = "Ports on which the cache listens for other machines.";
  };

  config.services.rust-nix-serve = lib.mkIf cfg.enable {
    bindAddress = lib.mkDefault [ "localhost" ];
    settings = {
      listen = lib.mkDefault (
        map (
          stream: if lib.hasPrefix "/" stream then "unix:${stream}" else stream
        ) cfg.listeners.streams
      );
    }
    // lib.optionalAttrs (cfg.hostName != null) {
      # Before the definitions for a host where nginx has the usual ports.
      public_url = lib.mkOverride 900 "http://${cfg.hostName}:${toString cfg.port}";
    };
  };
}

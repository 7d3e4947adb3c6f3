# A machine whose builds go into a cache: a hook of Nix fills a queue on disk, and a daemon pushes it. For NixOS.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.rust-nix-serve.client.push;
  user = "rust-nix-serve-push";
  directory = "rust-nix-serve-queue";

  # Of the server's module, where that is there too.
  gc = config.services.rust-nix-serve.gc or { };
  keepsBuilds =
    (config.services.rust-nix-serve.enable or false)
    && (gc.enable or false)
    && (gc.keepBuilds or null) != null;

  units = import ../parts/units.nix { inherit lib; } (
    import ../data/push-unit.nix {
      program = lib.getExe cfg.package;
      push = cfg;
      inherit user directory;
      systemctl = "${config.systemd.package}/bin/systemctl";
    }
  );
in
{
  imports = [ ./push-options.nix ];

  config = lib.mkMerge [
    {
      services.rust-nix-serve.client.push = {
        queueFile = "/var/lib/${directory}/queue.sqlite";
        otherHook = lib.mkIf keepsBuilds gc.postBuildHook;
      };
    }
    (lib.mkIf cfg.enable {
      systemd.services = units.services;
      systemd.paths = units.paths;

      users.users.${user} = {
        isSystemUser = true;
        group = user;
      };
      users.groups.${user} = { };
    })
  ];
}

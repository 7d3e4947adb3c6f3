# Configurations as people have published them for nix-serve and harmonia, unchanged but for the import: their meaning
# stays, and nothing of them is refused.
{
  evaluate,
  has,
  lib,
  modules,
  pkgs,
  ...
}:
let
  shapes = lib.concatMapAttrs (
    file: _:
    lib.mapAttrs' (name: lib.nameValuePair "${lib.removeSuffix ".nix" file}: ${name}") (
      import (../published + "/${file}") { inherit lib pkgs; }
    )
  ) (builtins.readDir ../published);

  # Only the settings that the shape gives.
  among = said: all: lib.mapAttrs (name: value: if lib.isAttrs value then among value (all.${name} or { }) else all.${name} or null) said;

  of =
    shape:
    let
      machine = evaluate [
        modules.nixos.${shape.module}
        shape.configuration
      ];
      new = machine.services.rust-nix-serve;
      on = !(shape.off or false);
      keys = map (secret: secret.file) (
        lib.filter (secret: lib.hasInfix "secretKeyFile" secret.namedBy) new.secrets
      );
      # The old server is gone, and its name leads to the new one.
      oldName = if shape.module == "replace-nix-serve" then "nix-serve" else "harmonia";
      old = machine.systemd.services.${oldName} or null;
      said = shape.settings or { };
    in
    {
      got = {
        inherit (machine) refusals;
        enabled = new.enable;
      }
      // lib.optionalAttrs on {
        keys = lib.naturalSort keys;
        streams = lib.concatMap (socket: socket.socketConfig.ListenStream) (
          lib.attrValues (lib.filterAttrs (name: _: lib.hasPrefix "rust-nix-serve" name) machine.systemd.sockets)
        );
        settings = among said new.settings;
        # Old options that have no effect any more are named, and the new ones that replace them.
        warned = has (shape.warning or "") (toString machine.warnings);
        advised = has "services.rust-nix-serve.enable = true;" (toString machine.warnings);
        oldServer = old != null && !(has "true" old.serviceConfig.ExecStart);
      }
      // lib.optionalAttrs (shape ? ports) { ports = machine.networking.firewall.allowedTCPPorts; }
      // lib.optionalAttrs (shape ? conf) { conf = has shape.conf machine.nginxConf; };
      want = {
        refusals = [ ];
        enabled = on;
      }
      // lib.optionalAttrs on {
        keys = lib.naturalSort shape.keys;
        inherit (shape) streams;
        settings = said;
        warned = true;
        advised = true;
        oldServer = false;
      }
      // lib.optionalAttrs (shape ? ports) { inherit (shape) ports; }
      // lib.optionalAttrs (shape ? conf) { conf = true; };
    };
in
lib.mapAttrs (_: of) shapes
// {
  "there are thirty of them, and more" = lib.length (lib.attrNames shapes) >= 30;
}

# The old name of the service: other units are ordered after it, secrets managers restart it, and configurations read its
# user. It does nothing but wait for the new one. It is no alias: a switch has to stop the old server, which holds the
# port, before the new socket opens, as it stops a unit whose content changes.
{
  name,
  enable,
}:
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  new = config.systemd.services.rust-nix-serve.serviceConfig;
  defined = what: lib.count (definition: definition ? ${name}) options.systemd.${what}.definitions;
  changed =
    lib.optional (defined "services" > 1) "systemd.services.${name}"
    ++ lib.optional (defined "sockets" > 0) "systemd.sockets.${name}";
in
{
  config = lib.mkIf (enable config) {
    systemd.services.${name} = {
      description = "Old name of rust-nix-serve.service";
      wantedBy = [ "multi-user.target" ];
      wants = [ "rust-nix-serve.service" ];
      after = [ "rust-nix-serve.service" ];
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        # Not for a oneshot, and written for the server that was here.
        Restart = lib.mkForce "no";
        ExecStart = lib.mkForce "${pkgs.coreutils}/bin/true";
        User = lib.mkDefault new.User;
        Group = lib.mkDefault new.Group;
      };
    };

    warnings = lib.optional (changed != [ ]) ''
      ${lib.concatStringsSep " and " changed}: the server runs as rust-nix-serve.service now, and settings of the old unit have
      no effect on it. Those that are still wanted, limits of memory for instance, go to systemd.services.rust-nix-serve.
    '';
  };
}

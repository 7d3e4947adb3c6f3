# PostgreSQL of this machine, for `index.createLocally`.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.rust-nix-serve;
  inherit (import ../data/local-index.nix) database;
  units = [ "postgresql.service" ] ++ lib.optional (config.systemd.targets ? postgresql) "postgresql.target";
in
{
  config = lib.mkIf (cfg.enable && cfg.index.createLocally) {
    services.postgresql = {
      enable = true;
      ensureDatabases = [ database ];
      ensureUsers = [
        {
          name = database;
          ensureDBOwnership = true;
        }
      ];
    };
    # Published paths are served without it as well.
    systemd.services.rust-nix-serve = {
      after = units;
      wants = units;
    };
  };
}

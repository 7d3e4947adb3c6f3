# The paths that the cache shows.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.rust-nix-serve;
  part = import ./parts/expose.nix { inherit lib; };
  given = part.toSettings cfg.expose;
in
{
  options.services.rust-nix-serve.expose = part.options // {
    everything = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether all clients that may read may read everything in this machine's Nix store, its system
        configuration included. With a {option}`hostName`, this or a choice ({option}`expose.roots`,
        {option}`expose.names`, {option}`expose.signedBy`) has to be written: publishing a whole store is a decision.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    services.rust-nix-serve.settings = lib.mkIf (given != { } || cfg.caches != { }) {
      expose =
        if part.isChoice given || given ? everything then
          given
        else
          given
          # Beside caches with names, a choice has to be written: no default would be certain to be meant.
          // lib.optionalAttrs (cfg.caches != { }) { everything = lib.mkDefault false; };
    };
  };
}

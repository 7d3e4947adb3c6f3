# What the cache shows.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.rust-nix-serve;

  patterns =
    description:
    mkOption {
      type = types.listOf types.str;
      default = [ ];
      inherit description;
    };
  given = lib.filterAttrs (_: list: list != [ ]) {
    roots = map toString cfg.expose.roots;
    inherit (cfg.expose) names deny allow;
    signed_by = cfg.expose.signedBy;
  }
  # With named caches in the settings it has to be said.
  // lib.optionalAttrs cfg.expose.everything { everything = true; };
in
{
  options.services.rust-nix-serve.expose = {
    everything = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether everybody who may read may read everything in this machine's Nix store, its system
        configuration included. With a {option}`hostName`, this or a choice ({option}`expose.roots`,
        {option}`expose.names`, {option}`expose.signedBy`) has to be written: publishing a whole store is a decision.
      '';
    };

    roots = mkOption {
      type = types.listOf (types.either types.package (types.strMatching "/.+"));
      default = [ ];
      example = lib.literalExpression ''[ "/run/current-system" "/nix/var/nix/profiles/ci" pkgs.hello ]'';
      description = ''
        Only these and everything they refer to: packages, store paths, links to store paths such as profiles, or
        directories of such links; `*` stands for any text within a component. Links are followed as they change. The daemon
        has to be able to read them: home directories and temporary directories are hidden from it.
      '';
    };

    names = patterns ''
      Only the paths with such a name, and everything they refer to. The name is what follows the hash: `firefox-*`.
    '';

    signedBy = mkOption {
      type = types.listOf (types.strMatching "[^:[:space:]]+:[A-Za-z0-9+/]{43}=");
      default = [ ];
      example = [ "cache.example.com-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=" ];
      description = "Only paths that carry a signature by one of these public keys in the store.";
    };

    deny = patterns ''
      Names that are not shown, nor is anything that refers to such a path: `*-secrets*`, `*.drv`.
    '';

    allow = patterns "Exceptions from {option}`expose.deny`.";
  };

  config = lib.mkIf cfg.enable {
    services.rust-nix-serve.settings = lib.mkIf (given != { }) { expose = given; };
  };
}

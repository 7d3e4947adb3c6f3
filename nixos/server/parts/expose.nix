# The paths that a cache shows: options and their settings, the same for the cache without a name and for each that has one.
{ lib }:
let
  inherit (lib) mkOption types;
  patterns =
    description:
    mkOption {
      type = types.listOf types.str;
      default = [ ];
      inherit description;
    };
in
{
  options = {
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
      Only the paths with such a name, and everything they refer to. The name follows the hash: `firefox-*`.
    '';

    signedBy = mkOption {
      type = types.listOf (types.strMatching "[^:[:space:]]+:[A-Za-z0-9+/]{43}=");
      default = [ ];
      example = [ "cache.example.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=" ];
      description = "Only paths that carry a signature by one of these public keys in the store.";
    };

    deny = patterns ''
      Names that are not shown, nor is anything that refers to such a path: `*-secrets*`, `*.drv`.
    '';

    allow = patterns "Exceptions from {option}`expose.deny`.";
  };

  toSettings =
    expose:
    lib.filterAttrs (_: list: list != [ ]) {
      roots = map toString expose.roots;
      inherit (expose) names deny allow;
      signed_by = expose.signedBy;
    }
    // lib.optionalAttrs expose.everything { everything = true; };

  # Of the settings: whether they choose paths at all.
  isChoice =
    expose:
    lib.any (term: (expose.${term} or [ ]) != [ ]) [
      "roots"
      "names"
      "signed_by"
    ];

  # Roots that the sandbox hides from the daemon.
  hidden = lib.filter (
    root:
    lib.any (place: root == place || lib.hasPrefix "${place}/" root) [
      "/home"
      "/root"
      "/run/user"
      "/tmp"
      "/var/tmp"
    ]
  );
}

# Options that stand in for those of nix-darwin and home-manager alike.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  atom = types.oneOf [
    types.bool
    types.int
    types.str
    types.path
  ];
in
{
  options = {
    assertions = mkOption {
      type = types.listOf types.raw;
      default = [ ];
    };
    warnings = mkOption {
      type = types.listOf types.str;
      default = [ ];
    };
    nix.settings = mkOption {
      type = types.attrsOf (types.either atom (types.listOf atom));
      default = { };
    };
  };
}

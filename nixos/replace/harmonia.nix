# Takes over a configuration that was written for services.harmonia, in its older form and in the one with `cache`, or for
# services.harmonia-dev of harmonia's own flake. The old options can be read as well.
{
  config,
  lib,
  ...
}:
let
  of = name: [
    (import ./harmonia/options.nix name)
    (import ./harmonia/translate.nix name)
  ];
in
{
  disabledModules = [ "services/networking/harmonia.nix" ];

  imports = [
    ../server.nix
  ]
  ++ of "harmonia"
  ++ of "harmonia-dev";

  # Older versions ran as this user, and secrets were made its own.
  config =
    lib.mkIf (config.services.harmonia.cache.enable || config.services.harmonia-dev.cache.enable)
      {
        users.users.harmonia = {
          isSystemUser = true;
          group = "harmonia";
        };
        users.groups.harmonia = { };
      };
}

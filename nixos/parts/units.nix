# Units of plain data (data/unit.nix) as options of NixOS: { services, sockets, timers, paths }.
{ lib }:
units:
let
  # Settings that NixOS has an option of its own for, so that others can add to them.
  known = {
    Description = "description";
    After = "after";
    Before = "before";
    Wants = "wants";
    Requires = "requires";
    PartOf = "partOf";
  };
  common =
    unit:
    lib.mapAttrs' (name: lib.nameValuePair known.${name}) (lib.intersectAttrs known unit.Unit)
    // {
      unitConfig = removeAttrs unit.Unit (lib.attrNames known);
      wantedBy = unit.Install.WantedBy or [ ];
    };
  # Helpers find their programs in the PATH that NixOS gives every service.
  environment =
    unit:
    lib.filterAttrs (name: _: name != "PATH") (
      lib.listToAttrs (
        map (
          line:
          let
            words = lib.splitString "=" line;
          in
          lib.nameValuePair (lib.head words) (lib.mkDefault (lib.concatStringsSep "=" (lib.tail words)))
        ) (unit.Service.Environment or [ ])
      )
    );
  service =
    unit:
    common unit
    // {
      environment = environment unit;
      serviceConfig = removeAttrs unit.Service [
        "Environment"
        "X-StopIfChanged"
      ];
      stopIfChanged = unit.Service.X-StopIfChanged or true;
    };
  ofKind =
    suffix: convert:
    lib.mapAttrs' (name: unit: lib.nameValuePair (lib.removeSuffix suffix name) (convert unit)) (
      lib.filterAttrs (name: _: lib.hasSuffix suffix name) units
    );
in
{
  services = ofKind ".service" service;
  sockets = ofKind ".socket" (unit: common unit // { socketConfig = unit.Socket; });
  timers = ofKind ".timer" (unit: common unit // { timerConfig = unit.Timer; });
  paths = ofKind ".path" (unit: common unit // { pathConfig = unit.Path; });
}

# Takes over a configuration that was written for services.nix-serve; every option says where it went.
{ lib, ... }:
let
  from = name: [
    "services"
    "nix-serve"
    name
  ];
  to = name: [
    "services"
    "rust-nix-serve"
    name
  ];
  same = name: lib.mkRenamedOptionModule (from name) (to name);
in
{
  disabledModules = [ "services/networking/nix-serve.nix" ];

  imports = [
    ../server.nix
  ]
  ++ map same [
    "enable"
    "bindAddress"
    "port"
    "openFirewall"
    "secretKeyFile"
  ]
  ++ [
    (lib.mkRemovedOptionModule (from "package") ''
      The program is services.rust-nix-serve.package.
    '')
    (lib.mkRemovedOptionModule (from "extraParams") ''
      What parameters said is configuration now: --priority is services.rust-nix-serve.priority, the others are in
      services.rust-nix-serve.settings.
    '')
  ];
}

# Takes over a configuration that was written for services.harmonia, in its older form and in the one with `cache`.
{ lib, ... }:
let
  from = path: [
    "services"
    "harmonia"
  ]
  ++ path;
  to = name: [
    "services"
    "rust-nix-serve"
    name
  ];

  of = prefix: [
    (lib.mkRenamedOptionModule (from (prefix ++ [ "enable" ])) (to "enable"))
    (lib.mkRenamedOptionModule (from (prefix ++ [ "signKeyPath" ])) (to "secretKeyFile"))
    (lib.mkRenamedOptionModule (from (prefix ++ [ "signKeyPaths" ])) (to "secretKeyFiles"))
    (lib.mkRemovedOptionModule (from (prefix ++ [ "settings" ])) ''
      bind is services.rust-nix-serve.bindAddress and .port, priority is .priority, virtual_nix_store is
      .settings.store.dir, real_nix_store is .settings.store.real_dir, workers is .settings.workers.
    '')
  ];
in
{
  disabledModules = [ "services/networking/harmonia.nix" ];

  imports = [
    ../server.nix
    (lib.mkRemovedOptionModule (from [ "package" ]) ''
      The program is services.rust-nix-serve.package.
    '')
  ]
  ++ of [ ]
  ++ of [ "cache" ];
}

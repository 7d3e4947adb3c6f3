# The files of upstream.sh, evaluated in their place: the same units as from here, and every VM test.
{
  nixpkgs,
  # Directory that it was laid out in.
  laid,
  system ? "x86_64-linux",
}:
let
  here = import ./. { inherit nixpkgs system; };
  inherit (here) lib pkgs;
  there = laid + "/nixos/modules/services/networking/rust-nix-serve";
  units =
    module:
    lib.mapAttrs (_: unit: unit.text) (
      lib.filterAttrs (name: _: lib.hasPrefix "rust-nix-serve" name)
        (here.evaluate [
          module
          {
            services.rust-nix-serve = {
              enable = true;
              hostName = "cache.example.org";
              acme.email = "admin@example.org";
              expose.everything = true;
              narCache.enable = true;
              prometheus.enable = true;
              tokensFile = "/run/secrets/tokens";
            };
          }
        ]).systemd.units
    );
  package =
    pkgs.callPackage (laid + "/pkgs/by-name/ru/rust-nix-serve/package.nix")
      { rustPlatform.buildRustPackage = attrs: attrs; };
  tests = import (laid + "/nixos/tests/rust-nix-serve") {
    inherit lib;
    runTest = test: test.name;
  };
  line = name: passed: "${if passed then "ok     " else "FAILED "} upstream: ${name}";
in
{
  text =
    lib.concatStringsSep "\n" [
      (line "the module makes the same units" (
        units there == units (import ../../../nixos/modules.nix).nixos.default
      ))
      (line "the package fetches its source" (lib.hasInfix "rust-nix-serve" "${package.src}"))
      (line "every VM test is there" (
        lib.attrNames tests == lib.attrNames (import ../. { inherit pkgs; }).definitions
      ))
    ]
    + "\n";
}

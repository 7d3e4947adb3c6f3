# The package, as far as it can be read without building it.
{
  evaluate,
  lib,
  modules,
  pkgs,
  ...
}:
let
  read =
    file: more:
    pkgs.callPackage file (
      {
        # The attributes of the package, instead of a build of it.
        rustPlatform.buildRustPackage = attrs: attrs;
        versionCheckHook = "version-check-hook";
        nixosTests.rust-nix-serve = "vm-tests";
      }
      // more
    );
  package = read ../../../../nixos/package.nix { };
  elsewhere = read ../../../../nixos/package.nix {
    source = {
      version = "9.9.9";
      src = "fetched";
      cargoHash = "sha256-…";
    };
  };
  manifest = (lib.importTOML ../../../../Cargo.toml).workspace.package;
in
{
  "it says everything about itself" = {
    got = lib.subtractLists (lib.attrNames package.meta) [
      "changelog"
      "description"
      "homepage"
      "license"
      "mainProgram"
      "maintainers"
      "platforms"
    ];
    want = [ ];
  };
  "it agrees with the manifest" =
    package.meta.description == manifest.description
    && package.version == manifest.version
    && lib.concatMapStringsSep " OR " (license: license.spdxId) package.meta.license == manifest.license;
  "the built program is started once, and says its version" =
    package.doInstallCheck && package.nativeInstallCheckInputs == [ "version-check-hook" ];
  "the module takes that of nixpkgs where there is one, and says so" =
    let
      machine = evaluate [
        modules.nixos.default
        { services.rust-nix-serve.enable = true; }
      ];
    in
    machine.services.rust-nix-serve.package == pkgs.rust-nix-serve
    && lib.hasInfix "rust-nix-serve" machine.options.services.rust-nix-serve.package.defaultText.text;
  "it has the VM tests" = package.passthru.tests.rust-nix-serve == "vm-tests";
  "where its source comes from is said outside of it" =
    elsewhere.src == "fetched"
    && elsewhere.cargoHash == "sha256-…"
    && !(elsewhere ? cargoLock)
    && lib.hasInfix "/v9.9.9/" elsewhere.meta.changelog;
  "each module has its name" = lib.attrNames modules.nixos == [
    "client"
    "default"
    "replace-harmonia"
    "replace-nix-serve"
    "rust-nix-serve"
  ];
}

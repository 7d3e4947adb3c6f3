# The examples of docs/nixos.md, as they are written there: every block of Nix that needs nothing but NixOS and our
# modules is taken, and nothing of it is refused.
{
  evaluate,
  lib,
  modules,
  ...
}:
let
  document = builtins.readFile ../../../../docs/nixos.md;
  blocks = map (part: lib.head (lib.splitString "\n```" part)) (
    lib.tail (lib.splitString "```nix\n" document)
  );
  # Of other projects, or of the flake.
  isForeign =
    block:
    lib.any (word: lib.hasInfix word block) [
      "age."
      "colmena"
      "deploy.nodes"
      "environment.persistence"
      "inputs.cache.url"
      "sops."
    ];
  ours = lib.filter (block: !(isForeign block)) blocks;

  # A block is part of a configuration: its premises are defaults here. Most are of a cache with a name.
  around =
    block:
    { lib, ... }:
    let
      says = word: lib.hasInfix word block;
      isNamed = !(says "caddy" || says "services.nix-serve");
    in
    {
      services.rust-nix-serve = {
        enable = lib.mkDefault true;
        hostName = lib.mkIf isNamed (lib.mkDefault "cache.example.org");
        expose.everything = lib.mkIf (!(says "expose")) (lib.mkDefault true);
        acme.email = lib.mkDefault "admin@example.org";
        client.publicKey = lib.mkDefault "cache.example.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
        client.url = lib.mkDefault "https://cache.example.org";
      };
    };
  inputs.cache.nixosModules = modules.nixos;
  read =
    block:
    let
      # Files beside the configuration: any will do.
      placed =
        lib.replaceStrings
          [
            "./cache-tokens"
            "./client-ca.pem"
          ]
          [
            (toString ./documents.nix)
            (toString ./documents.nix)
          ]
          block;
      file = builtins.toFile "block.nix" "{ config, inputs, lib, pkgs, ... }: {\n${placed}\n}";
      module = args: import file (args // { inherit inputs; });
      # Imports of ours are those that are there already.
      configuration = { config, lib, pkgs, ... }@args: removeAttrs (module args) [ "imports" ];
    in
    (evaluate [
      (if lib.hasInfix "services.nix-serve" block then modules.nixos.replace-nix-serve else modules.nixos.default)
      modules.nixos.client
      (around block)
      configuration
    ]).refusals;
  refused = lib.filter (one: one.refusals != [ ]) (
    map (block: {
      inherit block;
      refusals = read block;
    }) ours
  );
in
{
  "the configurations of the guide are not refused" = {
    got = refused;
    want = [ ];
  };
  # Of other projects: it can only be said that they are there.
  "it has the tools that people deploy, keep and fill caches with" = {
    got = lib.filter (words: !(lib.hasInfix words document)) [
      "--target-host admin@cache.example.org"
      "--sudo"
      "colmena.cache"
      "deploy.nodes.cache"
      "environment.persistence"
      "reloadUnits = [ \"rust-nix-serve.service\" ]"
      "## Filling the cache"
      "nix copy --to ssh-ng://"
      "nix.settings.post-build-hook"
      "nix.buildMachines"
      "### Pushing with a token"
      "### SSH clients"
      "Match host cache.example.org"
      "launchctl kickstart"
    ];
    want = [ ];
  };
  "which is most of it" = lib.length ours > 20;
}

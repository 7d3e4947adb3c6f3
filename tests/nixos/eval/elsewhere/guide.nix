# Blocks of docs/macos-and-home.md that import one of our modules, as modules.
{ lib, inputs }:
word:
let
  document = builtins.readFile ../../../../docs/macos-and-home.md;
  blocks = map (part: lib.head (lib.splitString "\n```" part)) (
    lib.tail (lib.splitString "```nix\n" document)
  );
  read =
    block:
    import (builtins.toFile "block.nix" "{ inputs }: { config, lib, pkgs, ... }: {\n${block}\n}") {
      inherit inputs;
    };
in
map read (lib.filter (lib.hasInfix word) blocks)

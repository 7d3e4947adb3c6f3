# docs/nixos-options.md from the options themselves.
{
  lib,
  pkgs,
}:
let
  evaluated = lib.evalModules {
    modules = [
      ./server/options.nix
      ./server/exposure.nix
      ./server/access.nix
      ./server/oidc.nix
      ./server/caches.nix
      ./server/storage.nix
      ./server/upload.nix
      ./server/retention.nix
      ./client/caches.nix
      ./client/push-options.nix
      {
        _module = {
          check = false;
          args = { inherit pkgs; };
        };
      }
    ];
  };
  options = lib.filter (option: option.visible && !option.internal) (
    lib.optionAttrSetToDocList (removeAttrs evaluated.options [ "_module" ])
  );

  value =
    given:
    if given._type or "" == "literalMD" then
      given.text
    else
      let
        text = given.text or (lib.generators.toPretty { } given);
      in
      if lib.hasInfix "\n" text then "\n\n```nix\n${text}\n```" else "`${text}`";
  # Roles of the NixOS manual are plain code here.
  plain = builtins.replaceStrings [ "{option}" ] [ "" ];
  # Versions of nixpkgs describe free settings differently.
  type = option: if lib.hasSuffix ".settings" option.name then "settings that become TOML" else option.type;
  entry =
    option:
    lib.concatStringsSep "\n" (
      [
        "### `${option.name}`"
        ""
        (lib.trim (plain option.description))
        ""
        "- type: ${type option}"
      ]
      ++ lib.optional (option ? default) "- default: ${value option.default}"
      ++ lib.optional (option ? example) "- example: ${value option.example}"
      ++ [ "" ]
    );
  section =
    title: wanted:
    "## ${title}\n\n" + lib.concatMapStringsSep "\n" entry (lib.filter (option: wanted option.name) options);
  isClient = lib.hasPrefix "services.rust-nix-serve.client.";
in
''
  # Options for NixOS, nix-darwin and home-manager

  Written from the modules by `tests/nixos/eval/options --write`; [the guide](nixos.md) says how they belong together.

''
+ section "The cache: `nixosModules.default`" (name: !isClient name)
+ "\n"
+ section "A machine that uses it: `client` of `nixosModules`, `darwinModules` and `homeModules`" isClient

# A unit of data/unit.nix as the text of a unit file.
unit:
let
  text =
    value:
    if value == true then
      "true"
    else if value == false then
      "false"
    else
      toString value;
  line = name: value: "${name}=${text value}\n";
  setting =
    name: value:
    if builtins.isList value then
      builtins.concatStringsSep "" (map (line name) value)
    else
      line name value;
  section =
    name:
    "[${name}]\n"
    + builtins.concatStringsSep "" (builtins.attrValues (builtins.mapAttrs setting unit.${name}));
  # The order people write them in.
  sections = builtins.filter (name: unit ? ${name}) [
    "Unit"
    "Service"
    "Socket"
    "Timer"
    "Path"
    "Install"
  ];
in
builtins.concatStringsSep "\n" (map section sections)

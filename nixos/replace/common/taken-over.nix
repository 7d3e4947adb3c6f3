# The warning of a module that takes over an old configuration: how the same is written without the old names.
lib:
{
  # The old options, such as "services.nix-serve".
  from,
  # The options of services.rust-nix-serve that say the same, as for definitions.nix.
  options,
  # The differences, and the options without effect: a sentence each.
  notes ? [ ],
}:
let
  value = lib.generators.toPretty { multiline = false; };
  lines = lib.mapAttrsToList (name: one: "  services.rust-nix-serve.${name} = ${value one.value};") (
    lib.filterAttrs (_: one: one.when or true) options
  );
in
''
  ${from} is taken over by rust-nix-serve. To be rid of this message, write instead
  ${lib.concatStringsSep "\n" lines}
''
+ lib.concatMapStrings (note: "${note}\n") notes

# Definitions of options from old ones: { "settings.store.dir" = { value = …; when = …; }; }.
# Whether a value is there is asked of the value alone, never of the set: the old value may be read from the configuration
# that the new options take part in.
lib: taken:
lib.foldl' lib.recursiveUpdate { } (
  lib.mapAttrsToList (
    name: one:
    lib.setAttrByPath (lib.splitString "." name) (lib.mkIf (one.when or true) (lib.mkDefault one.value))
  ) taken
)

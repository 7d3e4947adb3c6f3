{
  cache = {
    imports = [ ../machines/plain-cache.nix ];
    # Builds have to be there after a reboot as well.
    virtualisation.writableStoreUseTmpfs = false;
  };
}

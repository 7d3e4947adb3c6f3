{
  cache = {
    imports = [ ../machines/plain-cache.nix ];
    # What was built has to be there after a reboot as well.
    virtualisation.writableStoreUseTmpfs = false;
  };
}

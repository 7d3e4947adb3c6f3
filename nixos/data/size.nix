# Bytes of a size as the daemon reads it (`64MiB`, `10G`, `500 kB`): `K` to `T`, with or without `iB`, are powers of 1024, and
# `kB` to `TB` powers of 1000. null for a text that it would refuse.
text:
let
  inherit (builtins) elemAt fromJSON match;
  parts = match "[[:space:]]*0*([0-9]{1,15})[[:space:]]*([A-Za-z]*)[[:space:]]*" text;
  power = base: exponent: if exponent == 0 then 1 else base * power base (exponent - 1);
  units = {
    "" = 1;
    B = 1;
    kB = power 1000 1;
    MB = power 1000 2;
    GB = power 1000 3;
    TB = power 1000 4;
    K = power 1024 1;
    M = power 1024 2;
    G = power 1024 3;
    T = power 1024 4;
    KiB = power 1024 1;
    MiB = power 1024 2;
    GiB = power 1024 3;
    TiB = power 1024 4;
  };
  unit = elemAt parts 1;
in
if parts == null || !(units ? ${unit}) then null else fromJSON (elemAt parts 0) * units.${unit}

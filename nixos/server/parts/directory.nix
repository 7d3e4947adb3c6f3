# The fault of a directory that shall be the daemon's own, or null.
{ lib }:
path:
let
  isBelow = places: lib.any (place: path == place || lib.hasPrefix "${place}/" path) places;
  # A word that units and nginx read as it is.
  isPlain = builtins.match "(/[A-Za-z0-9_+@=,-][A-Za-z0-9._+@=,-]*|/\\.[A-Za-z0-9_+@=,-][A-Za-z0-9._+@=,-]*)+" path != null;
  # Others live there.
  shared = [
    "/bin"
    "/boot"
    "/etc"
    "/media"
    "/mnt"
    "/nix"
    "/nix/var"
    "/nix/var/nix"
    "/opt"
    "/run"
    "/srv"
    "/usr"
    "/var"
    "/var/cache"
    "/var/lib"
    "/var/log"
    "/var/lib/rust-nix-serve"
  ];
in
if !isPlain then
  "write an absolute path of letters, digits and . _ + @ = , - without `..`"
else if
  isBelow [
    "/home"
    "/root"
    "/run/user"
    "/tmp"
    "/var/tmp"
  ]
then
  "home and temporary directories are hidden from the daemon and from nginx"
else if lib.elem path shared then
  "others live there, and everything in there but its own files would be in the way. Name a directory below it"
else if
  isBelow [
    "/dev"
    "/nix/store"
    "/nix/var/nix/db"
    "/proc"
    "/sys"
  ]
then
  "nothing is kept there"
else
  null

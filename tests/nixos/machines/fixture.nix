# A store path that no client accepts without a signature: input-addressed, built by /bin/sh alone.
#   name        of the store path
#   doublings   of 16 bytes: 22 is 64 MiB
#   noise       lines of 65 bytes that do not compress well: 20000 are 1.3 MB
#   dependency  whether there is a second path that the first refers to
{
  name,
  doublings ? 0,
  noise ? 0,
  dependency ? false,
}:
let
  build =
    name: script:
    derivation {
      inherit name;
      system = builtins.currentSystem;
      builder = "/bin/sh";
      # The last word: a shell that would replace itself by its last program ends strangely in some sandboxes.
      args = [
        "-c"
        "${script}\n:"
      ];
    };
in
let
  lines = builtins.genList (i: builtins.hashString "sha256" "${name} ${toString i}\n") noise;
  file = builtins.toFile "noise" (builtins.concatStringsSep "\n" lines);
in
build name ''
  text=0123456789abcde.
  for i in ${toString (builtins.genList (i: i) doublings)}; do text=$text$text; done
  echo "${name} ${if dependency then build "${name}-dependency" "echo needed > $out" else ""}" > $out
  echo "$text" >> $out
  PATH=/bin:/run/current-system/sw/bin
  ${if noise == 0 then "" else "cat ${file} >> $out"}
''

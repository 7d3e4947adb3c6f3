# A store path that no client accepts without a signature: input-addressed, built by /bin/sh alone.
#   name        of the store path
#   doublings   of 16 bytes: 22 is 64 MiB
#   dependency  whether there is a second path that the first refers to
{
  name,
  doublings ? 0,
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
build name ''
  text=0123456789abcde.
  for i in ${toString (builtins.genList (i: i) doublings)}; do text=$text$text; done
  echo "${name} ${if dependency then build "${name}-dependency" "echo needed > $out" else ""}" > $out
  echo "$text" >> $out
''

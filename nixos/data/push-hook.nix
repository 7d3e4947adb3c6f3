# The script that Nix runs after each build, which waits for it: paths go into a queue, and a build never fails because of
# that. Plain data.
{
  program,
  # The file of the queue, as a word of a shell.
  queue,
  # A script that is run first: null, or a path.
  otherHook ? null,
}:
(if otherHook == null then "" else "${otherHook}\n") + "${program} queue add --queue ${queue} || true\n"

# The command line of the daemon that pushes, behind the name of the program: a list of words. Plain data.
{
  # The value of `services.rust-nix-serve.client.push`.
  push,
  # The file of the queue.
  queue,
  # Where the daemon finds the token and the keys: words as well.
  token ? null,
  keys ? [ ],
}:
let
  flag =
    name: value:
    if value == null then
      [ ]
    else
      [
        name
        value
      ];
  each = name: builtins.concatMap (flag name);
  switch = name: isOn: if isOn then [ name ] else [ ];
in
(
  if push.watch then
    [ "watch-store" ]
  else
    [
      "queue"
      "run"
    ]
)
++ flag "--to" push.url
++ flag "--queue" queue
++ flag "--token-file" token
++ each "--key" keys
++ each "--only" push.filters.only
++ each "--skip" push.filters.skip
++ flag "--max-size" push.filters.maxSize
++ flag "--max-age" push.filters.maxAge
++ switch "--built-here" push.filters.builtHere
++ each "--upstream" push.filters.upstreams
++ switch "--logs" push.logs
++ switch "--listing" push.listing

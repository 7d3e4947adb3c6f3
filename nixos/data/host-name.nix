# The worth of a name under which clients shall reach a cache. Plain data.
#   { problem = null; kind = "public"; }
# `problem` names the fault and a better value. Of good names, `public` ones can have a certificate of a public
# ACME server; `local` ones are known in one network only, and `address` is an IPv4 address.
text:
let
  inherit (builtins)
    all
    any
    elemAt
    filter
    isString
    match
    split
    stringLength
    ;
  bad = problem: {
    inherit problem;
    kind = null;
  };
  good = kind: {
    problem = null;
    inherit kind;
  };
  url = match "[A-Za-z][A-Za-z0-9+.-]*://([^/:]*).*" text;
  slash = match "([^/]*)/.*" text;
  withPort = match "([^:]*):[0-9]+" text;
  labels = filter isString (split "\\." text);
  isLabel = label: stringLength label < 64 && match "[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?" label != null;

  # Ends of names that no public server vouches for: reserved, or never delegated.
  localEnds = [
    "corp"
    "home"
    "home\\.arpa"
    "internal"
    "intranet"
    "invalid"
    "lan"
    "local"
    "localdomain"
    "localhost"
    "onion"
    "private"
    "test"
  ];
  isLocal = match ".*\\..*" text == null || any (end: match ".*\\.${end}" text != null) localEnds;
in
if url != null then
  bad ''"${text}" is a URL: write the name alone, "${elemAt url 0}"''
else if slash != null then
  bad ''"${text}" has a path: write the name alone, "${elemAt slash 0}"''
else if withPort != null then
  bad ''"${text}" has a port: write "${elemAt withPort 0}"; ports of nginx are nginx.virtualHost.listen''
else if match "\\[.*|.*:.*" text != null then
  bad ''"${text}" looks like an IPv6 address, and clients need a name; for a cache without a name there is bindAddress''
else if match ".*[[:space:],].*" text != null then
  bad ''"${text}" is more than one name: write the first, and the others as nginx.virtualHost.serverAliases''
else if match "\\*.*" text != null then
  bad ''"${text}" stands for many names: write one of them''
else if text == "localhost" then
  bad ''"localhost" is another machine for every client: a cache for this machine alone needs no name''
else if match ".+\\." text != null then
  bad ''"${text}" ends with a dot: write it without''
else if !(all isLabel labels) || stringLength text > 253 then
  bad ''"${text}" is no host name: letters, digits and hyphens, with dots between, "cache.example.org"''
else if match "[0-9.]+" text != null then
  if match "([0-9]{1,3}\\.){3}[0-9]{1,3}" text != null then
    good "address"
  else
    bad ''"${text}" is no host name: write one such as "cache.example.org"''
else
  good (if isLocal then "local" else "public")

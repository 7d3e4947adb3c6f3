# An address to listen on, as people write it, in the spelling that systemd and nginx's port list agree on. Plain data.
#   import ./address.nix { ipv6 = true; } "localhost"   { addresses = [ "127.0.0.1" "::1" ]; problem = null; }
# `addresses` are IPv4, IPv6 without brackets, or `unix:/path`; `problem` names the fault and a better value.
{
  # Whether names that mean every address include those of IPv6.
  ipv6 ? true,
}:
text:
let
  inherit (builtins)
    all
    elemAt
    filter
    isString
    length
    match
    split
    ;
  optional = condition: value: if condition then [ value ] else [ ];
  good = addresses: {
    inherit addresses;
    problem = null;
  };
  bad = problem: {
    addresses = [ ];
    inherit problem;
  };
  parts = separator: value: filter isString (split separator value);

  isIPv4 =
    value:
    let
      numbers = parts "\\." value;
      isNumber = part: match "0|[1-9][0-9]{0,2}" part != null && builtins.fromJSON part < 256;
    in
    length numbers == 4 && all isNumber numbers;

  # `::` once at most, eight groups at most; the last may be an IPv4 address.
  isIPv6 =
    plain:
    let
      groups = parts ":" plain;
      compressed = length (parts "::" plain) == 2;
      filled = filter (group: group != "") groups;
      last = elemAt groups (length groups - 1);
      isGroup = group: match "[0-9A-Fa-f]{1,4}" group != null;
      mapped = isIPv4 last;
      hex = filter (group: !(mapped && group == last)) filled;
      count = length hex + (if mapped then 2 else 0);
      edges = match ":[^:].*|.*[^:]:" plain == null;
    in
    length groups > 2
    && edges
    && length (parts "::" plain) <= 2
    && match ".*:::.*" plain == null
    && all isGroup hex
    && (if compressed then count < 8 else count == 8);

  bracketed = match "\\[(.*)]" text;
  bare = if bracketed == null then text else elemAt bracketed 0;
  withPort = match "(.*):([0-9]+)" text;
  # A path that systemd takes as one word, without specifiers.
  socket = match "unix:/*(/[^/[:space:]%\"'\\\\$:][^[:space:]%\"'\\\\$:]*)" text;
in
if text == "" || text == "*" then
  good ([ "0.0.0.0" ] ++ optional ipv6 "::")
else if text == "localhost" then
  good ([ "127.0.0.1" ] ++ optional ipv6 "::1")
else if isIPv4 text || isIPv6 bare then
  good [ bare ]
else if socket != null then
  good [ "unix:${elemAt socket 0}" ]
else if match "unix:.*|/.*" text != null then
  bad ''"${text}" is no unix socket: write unix: and an absolute path of plain characters, "unix:/run/cache.sock"''
else if match "[^%]*:[^%]*%.*" text != null then
  bad ''"${text}" names an interface, which may come up after the sockets: write "*", and open the firewall for that interface alone''
else if match "[A-Za-z][A-Za-z0-9+.-]*://.*" text != null then
  bad ''"${text}" is a URL: write the address alone, such as "127.0.0.1"''
else if withPort != null && (isIPv4 (elemAt withPort 0) || match "\\[.*]|localhost|\\*|" (elemAt withPort 0) != null) then
  bad ''"${text}" has a port: write "${elemAt withPort 0}" here, and the port where ports are written''
else if match "[A-Za-z0-9_.-]*[A-Za-z_-][A-Za-z0-9_.-]*" text != null then
  bad ''"${text}" is a name, and systemd listens on addresses: write the address, or "*" for every one of this machine''
else
  bad ''"${text}" is no address: write one such as "127.0.0.1", "::1" or "localhost", or "*" for every one of this machine''

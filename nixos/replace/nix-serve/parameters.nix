# The command line of nix-serve and nix-serve-ng, as far as it goes beyond the options of NixOS.
#   parameters.nix lib "--priority 30 --workers=4"
#   { priority = 30; workers = 4; ignored = [ ]; problems = [ ]; }
lib: text:
let
  words = lib.filter (word: word != "") (lib.splitString " " text);

  # The address, the store and the manner of serving: nothing of that may be dropped.
  refused = {
    "--listen" = "the address is services.nix-serve.bindAddress and .port";
    "-l" = refused."--listen";
    "--host" = refused."--listen";
    "-o" = refused."--listen";
    "--port" = refused."--listen";
    "-p" = refused."--listen";
    "--socket" = ''a unix socket is services.rust-nix-serve.bindAddress = "unix:/path"'';
    "-S" = refused."--socket";
    "--store" = "another store is services.rust-nix-serve.settings.store.root";
    "--ssl-cert" = "certificates are services.rust-nix-serve.settings.tls, with settings.listen on tls://";
    "--ssl-key" = refused."--ssl-cert";
    "--enable-ssl" = refused."--ssl-cert";
  };

  number =
    key: value: made:
    if value != null && builtins.match "[0-9]+" value != null then
      made // { ${key} = lib.toIntBase10 value; }
    else
      made // { problems = made.problems ++ [ "--${key} wants a number" ]; };

  take =
    made: rest:
    if rest == [ ] then
      made
    else
      let
        word = lib.head rest;
        joined = builtins.match "(-[^=]*)=(.*)" word;
        name = if joined != null then lib.head joined else word;
        next = lib.tail rest;
        follows = joined == null && lib.hasPrefix "-" word && next != [ ] && !(lib.hasPrefix "-" (lib.head next));
        value =
          if joined != null then
            lib.last joined
          else if follows then
            lib.head next
          else
            null;
        after = if follows then lib.tail next else next;
        given = lib.concatStringsSep " " (lib.take (lib.length rest - lib.length after) rest);
      in
      take (
        if name == "--priority" then
          number "priority" value made
        else if name == "--workers" then
          number "workers" value made
        else if refused ? ${name} then
          made // { problems = made.problems ++ [ "${given}: ${refused.${name}}." ]; }
        else
          made // { ignored = made.ignored ++ [ given ]; }
      ) after;
in
take {
  priority = null;
  workers = null;
  ignored = [ ];
  problems = [ ];
} words

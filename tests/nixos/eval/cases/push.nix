{
  evaluate,
  has,
  lib,
  modules,
  ...
}:
let
  with' =
    push:
    evaluate [
      modules.nixos.client
      {
        services.rust-nix-serve.client.push = {
          enable = true;
          url = "https://cache.example.org";
          tokenFile = "/run/secrets/token";
        }
        // push;
      }
    ];
  plain = with' { };
  unit = machine: machine.unit "rust-nix-serve-push.service";
  started = machine: toString machine.systemd.services.rust-nix-serve-push.serviceConfig.ExecStart;
  filtered = with' {
    signingKeyFiles = [ "/run/secrets/key" ];
    filters = {
      only = [ "team-*" ];
      skip = [ "*-source" ];
      maxSize = "2G";
      maxAge = "7d";
      builtHere = true;
      upstreams = [ "https://cache.nixos.org" ];
    };
  };
  documented = with' {
    logs = true;
    listing = true;
  };
  watching = with' { watch = true; };
  own = evaluate [
    modules.nixos.client
    {
      nix.settings.post-build-hook = "/etc/own-hook";
      services.rust-nix-serve.client.push = {
        enable = true;
        url = "https://cache.example.org";
      };
    }
  ];
  both = evaluate [
    modules.nixos.default
    modules.nixos.client
    {
      services.rust-nix-serve.enable = true;
      services.rust-nix-serve.gc.enable = true;
      services.rust-nix-serve.gc.keepBuilds = "30 d";
      services.rust-nix-serve.client.push = {
        enable = true;
        url = "https://cache.example.org";
      };
    }
  ];
  hook = machine: machine.services.rust-nix-serve.client.push.postBuildHook;
in
{
  "a machine that only pushes" = plain.refusals == [ ] && plain.warnings == [ ];
  "it uses no cache for that" = !(lib.any (has "cache.example.org") plain.nix.settings.substituters);
  "builds go into the queue" = plain.nix.settings.post-build-hook == hook plain;
  "the daemon pushes its paths" =
    has "queue" (started plain)
    && has "--to" (started plain)
    && has "https://cache.example.org" (started plain)
    && has "/var/lib/rust-nix-serve-queue/queue.sqlite" (started plain);
  "its token is a credential" =
    has "LoadCredential=token:/run/secrets/token" (unit plain)
    # With a second % it would be the name of a file.
    && has " %d/token" (started plain)
    && plain.systemd.paths.rust-nix-serve-push-secrets.pathConfig.PathChanged == [ "/run/secrets/token" ];
  "it is watched, restarted and shut in" =
    has "Type=notify" (unit plain)
    && has "WatchdogSec=6min" (unit plain)
    && has "Restart=always" (unit plain)
    && has "ProtectSystem=strict" (unit plain)
    && has "User=rust-nix-serve-push" (unit plain);
  "filters are flags" = lib.all (flag: has flag (started filtered)) [
    "--only"
    "team-*"
    "--skip"
    "*-source"
    "--max-size"
    "2G"
    "--max-age"
    "7d"
    "--built-here"
    "--upstream"
    " %d/key-0"
  ];
  "logs and listings where that is wanted" =
    lib.all (flag: has flag (started documented) && !(has flag (started plain))) [
      "--logs"
      "--listing"
    ];
  "a store that is watched needs no hook" =
    has "watch-store" (started watching) && !(watching.nix.settings ? post-build-hook);
  "a hook of one's own stays, and is told of ours" =
    own.nix.settings.post-build-hook == "/etc/own-hook" && lib.any (has "no build is pushed") own.warnings;
  "the server's hook is called by ours" =
    both.nix.settings.post-build-hook == hook both && !(lib.any (has "no build is kept") both.warnings);
  "a token in the store is refused" =
    lib.any (has "in the Nix store") (with' { tokenFile = ./push.nix; }).refusals;
  "no address is refused" = lib.any (has "say where to push") (with' { url = null; }).refusals;
  "a token in the clear is warned of" =
    lib.any (has "travels in the clear") (with' { url = "http://cache.lan"; }).warnings;
  "nothing without" = !((evaluate [ modules.nixos.client ]).systemd.services ? rust-nix-serve-push);
}

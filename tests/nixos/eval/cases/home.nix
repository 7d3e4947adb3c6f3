{
  has,
  homeManager,
  lib,
  modules,
  ...
}:
let
  key = "cache.example.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
  of =
    kind: options:
    homeManager.${kind} [
      modules.home.client
      { services.rust-nix-serve.client = options; }
    ];
  uses = of "linux" {
    enable = true;
    url = "https://cache.example.org";
    publicKey = key;
    netrcFile = "/home/user/.config/nix/netrc";
  };
  program = derivation {
    name = "rust-nix-serve";
    system = "x86_64-linux";
    builder = "/bin/sh";
  } // {
    type = "derivation";
    meta.mainProgram = "rust-nix-serve";
  };
  pushes =
    kind: push:
    of kind {
      push = {
        enable = true;
        package = program;
        url = "https://cache.example.org";
        tokenFile = "/home/user/token of mine";
        filters.skip = [ "100%-*" ];
      }
      // push;
    };
  linux = pushes "linux" { };
  service = linux.systemd.user.services.rust-nix-serve-push;
  started = toString service.Service.ExecStart;
  mac = pushes "darwin" { };
  agent = mac.launchd.agents.rust-nix-serve-push;
  hooked = pushes "linux" { watch = false; };
  guide = import ../elsewhere/guide.nix {
    inherit lib;
    inputs.cache.homeModules = modules.home;
  };
  withProgram.services.rust-nix-serve.client.push.package = program;
  refusals = home: map (one: one.message) (lib.filter (one: !one.assertion) home.assertions);
in
{
  "the cache is asked beside those of the system" = {
    got = removeAttrs uses.nix.settings [ "use-xdg-base-directories" ];
    want = {
      extra-substituters = [ "https://cache.example.org" ];
      extra-trusted-public-keys = [ key ];
      fallback = true;
      connect-timeout = 5;
      download-attempts = 3;
      netrc-file = "/home/user/.config/nix/netrc";
    };
  };
  "unless that is wanted otherwise" =
    (homeManager.linux [
      modules.home.client
      {
        nix.settings.connect-timeout = 60;
        services.rust-nix-serve.client = {
          enable = true;
          url = "https://cache.example.org";
          publicKey = key;
        };
      }
    ]).nix.settings.connect-timeout == 60;
  "a mistake is refused" = lib.any (has "with its scheme") (
    refusals (of "linux" {
      enable = true;
      url = "cache.example.org";
      publicKey = key;
    })
  );
  "a user who only pushes" =
    refusals linux == [ ]
    && !(lib.any (has "rust-nix-serve") linux.warnings)
    && !(linux.nix.settings ? extra-substituters);
  "a service of the user watches the store" =
    has ''"watch-store" "--to" "https://cache.example.org"'' started
    && has ''"--queue" "/home/user/.local/state/rust-nix-serve/queue.sqlite"'' started
    && !(linux.nix.settings ? post-build-hook);
  "it reads the token of the user, and words stay words" =
    has ''"--token-file" "/home/user/token of mine"'' started && has ''"--skip" "100%%-*"'' started;
  "it is watched, restarted, and there after a login" =
    service.Service.Type == "notify"
    && service.Service.WatchdogSec == "6min"
    && service.Service.Restart == "always"
    && lib.toList service.Install.WantedBy == [ "default.target" ];
  "on macOS an agent does" =
    agent.enable
    && agent.config.KeepAlive
    && lib.take 4 (lib.tail agent.config.ProgramArguments) == [
      "watch-store"
      "--to"
      "https://cache.example.org"
      "--queue"
    ]
    && lib.elem "/Users/user/.local/state/rust-nix-serve/queue.sqlite" agent.config.ProgramArguments
    && agent.config.StandardErrorPath == "/Users/user/Library/Logs/rust-nix-serve-push.log"
    && !(mac.systemd.user.services ? rust-nix-serve-push);
  "logs and listings where that is wanted" =
    let
      documented = pushes "darwin" {
        logs = true;
        listing = true;
      };
      arguments = home: home.launchd.agents.rust-nix-serve-push.config.ProgramArguments;
    in
    lib.all (flag: lib.elem flag (arguments documented) && !(lib.elem flag (arguments mac))) [
      "--logs"
      "--listing"
    ];
  "no agent on Linux" = !(linux.launchd.agents ? rust-nix-serve-push);
  "without a daemon of Nix a hook does" =
    hooked.nix.settings.post-build-hook == hooked.services.rust-nix-serve.client.push.postBuildHook
    && has ''"queue" "run"'' (toString hooked.systemd.user.services.rust-nix-serve-push.Service.ExecStart);
  "a token in the store is refused" = lib.any (has "in the Nix store") (
    refusals (pushes "linux" { tokenFile = ./home.nix; })
  );
  "the configurations of the guide are not refused" = {
    got = map (block: refusals (homeManager.linux [ block withProgram ])) (guide "homeModules");
    want = [ [ ] ];
  };
  "nothing without" =
    let
      none = homeManager.linux [ modules.home.default ];
    in
    !(none.systemd.user.services ? rust-nix-serve-push) && !(none.nix.settings ? fallback);
}

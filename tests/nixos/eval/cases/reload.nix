# The effects of a switch to another configuration on a running daemon.
{
  evaluate,
  has,
  lib,
  modules,
  ...
}:
let
  with' =
    options:
    evaluate [
      modules.nixos.default
      {
        services.rust-nix-serve = {
          enable = true;
          hostName = "cache";
        };
      }
      { services.rust-nix-serve = options; }
    ];
  everything.expose.everything = true;
  machine = with' everything;
  unit = name: machine: machine.unit name;
  daemon = unit "rust-nix-serve.service";
  sockets = unit "rust-nix-serve-sockets.service";

  # Only the lines that ask for a reload are different.
  lines = text: lib.filter (line: !(lib.hasPrefix "X-Reload-Triggers=" line)) (lib.splitString "\n" text);
  current = daemon machine;
  reloads =
    options:
    let
      new = daemon (with' options);
    in
    new != current && lines new == lines current;
  restarts = options: lines (daemon (with' options)) != lines current;

  # Every key of the daemon is said to take effect on reload or after a restart, and is so sorted.
  documented =
    let
      sections = lib.tail (lib.splitString "\n### `" (builtins.readFile ../../../../docs/configuration.md));
      key = text: lib.splitString "." (lib.head (lib.splitString "`" text));
    in
    map (text: {
      key = key text;
      onReload = has "| on reload |" text;
    }) sections;
  sorted =
    one:
    let
      parts = import ../../../../nixos/data/reload.nix (lib.setAttrByPath one.key "value");
    in
    lib.hasAttrByPath one.key parts.reload == one.onReload
    && lib.hasAttrByPath one.key parts.restart == !one.onReload;

  local =
    options:
    evaluate [
      modules.nixos.default
      { services.rust-nix-serve = { enable = true; } // options; }
    ];
in
{
  "every key takes effect as its documentation says" = {
    got = map (one: lib.concatStringsSep "." one.key) (lib.filter (one: !(sorted one)) documented);
    want = [ ];
  };
  "there are such keys" = lib.length documented > 50;
  "what is shown, priority and log level are taken up by a reload" =
    reloads { expose.roots = [ "/run/current-system" ]; }
    && reloads (everything // { priority = 30; })
    && reloads (everything // { settings.log.level = "debug"; });
  "so are caches with names" = reloads (
    everything // { settings.cache.team.hosts = [ "team" ]; }
  );
  "threads and limits take a restart" =
    restarts (everything // { settings.workers = 2; })
    && restarts (everything // { settings.limits.downloads = 16; })
    && restarts (everything // { settings.access.trusted_proxies = [ "10.0.0.1" ]; });
  "so does a first tokens file, which has to be copied before" = restarts (
    everything // { tokensFile = "/run/secrets/tokens"; }
  );
  "the daemon finds each configuration in the same place" =
    has "--config /etc/rust-nix-serve/config.toml\n" (daemon machine)
    && machine.environment.etc."rust-nix-serve/config.toml".source == machine.services.rust-nix-serve.configFile;
  "a reload that the daemon refuses fails" = lib.any (
    line: lib.hasPrefix "ExecReload=" line && has "check-config" line
  ) (lib.splitString "\n" (daemon machine));
  "sockets stay during a restart" = has "X-StopIfChanged=false\n" (daemon machine);
  "and are restarted, with the daemon, when they have changed" =
    let
      closed = sockets (local { });
    in
    closed != sockets (local { port = 8080; })
    && sockets machine != closed
    && sockets machine == sockets (with' (everything // { priority = 30; }))
    && has "PartOf=rust-nix-serve-sockets.service\n" (daemon machine)
    && has "PartOf=rust-nix-serve-sockets.service" (unit "rust-nix-serve.socket" machine)
    && has "X-StopIfChanged=false\n" (sockets machine);
  "a kind of socket keeps its name" =
    lib.attrNames (lib.filterAttrs (name: _: has "rust-nix-serve" name) (with' (
      everything
      // {
        bindAddress = "127.0.0.1";
        prometheus.enable = true;
      }
    )).systemd.sockets) == [
      "rust-nix-serve"
      "rust-nix-serve-metrics"
      "rust-nix-serve-tcp"
    ];
  "how long downloads may hold up a restart is the operator's choice" =
    let
      patient = with' (everything // { shutdownGrace = 600; });
    in
    patient.services.rust-nix-serve.settings.shutdown_grace == "600s"
    && has "TimeoutStopSec=615s\n" (daemon patient);
}

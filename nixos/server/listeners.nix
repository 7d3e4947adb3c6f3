# Addresses as people write them, in the one spelling that units, firewall and Prometheus agree on.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.rust-nix-serve;
  option = name: "services.rust-nix-serve.${name}";
  parse = import ../data/address.nix { ipv6 = config.networking.enableIPv6 or true; };

  bound = map parse cfg.bindAddress;

  # ADDRESS:PORT, as the pattern of the option demands it.
  watched = builtins.match "(.*):([0-9]+)" cfg.prometheus.listenAddress;
  watchedPort = lib.toIntBase10 (lib.last watched);
  watchers = parse (lib.head watched);
  watchedProblem =
    if watchers.problem != null then
      watchers.problem
    else if watchedPort == 0 || watchedPort > 65535 then
      "there is no port ${toString watchedPort}"
    else if lib.any (lib.hasPrefix "unix:") watchers.addresses then
      "Prometheus collects from addresses, not from unix sockets"
    else
      null;

  withPort =
    port: address:
    if lib.hasPrefix "unix:" address then
      lib.removePrefix "unix:" address
    else
      "${if lib.hasInfix ":" address then "[${address}]" else address}:${toString port}";
  internal =
    type: default: description:
    mkOption {
      inherit type default description;
      internal = true;
      readOnly = true;
    };
in
{
  options.services.rust-nix-serve = {
    listeners = {
      addresses = internal (types.listOf types.str) (lib.unique (
        lib.concatMap (one: one.addresses) bound
      )) "IPv4, IPv6 without brackets, or `unix:/path`.";
      streams = internal (types.listOf types.str) (map (withPort cfg.port)
        cfg.listeners.addresses
      ) "The same with the port, as systemd writes them.";
      metricsStreams = internal (types.listOf types.str) (lib.optionals cfg.prometheus.enable (
        map (withPort watchedPort) watchers.addresses
      )) "Those of the listener for metrics.";
      # Every address is one that Prometheus can connect to, by the first.
      metricsTarget = internal types.str (
        let
          first = lib.head (cfg.listeners.metricsStreams ++ [ cfg.prometheus.listenAddress ]);
        in
        if lib.elem (lib.head watched) [ "" "*" ] then "127.0.0.1:${toString watchedPort}" else first
      ) "Where Prometheus finds it.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions =
      map (one: {
        assertion = one.problem == null;
        message = "${option "bindAddress"}: ${one.problem}.";
      }) bound
      ++ lib.optional cfg.prometheus.enable {
        assertion = watchedProblem == null;
        message = "${option "prometheus.listenAddress"}: ${toString watchedProblem}.";
      };
  };
}

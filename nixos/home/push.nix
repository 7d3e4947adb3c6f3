# A user whose machine pushes its builds into a cache: a service of the user under systemd, or an agent under launchd.
# For home-manager.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.rust-nix-serve.client.push;
  program = lib.getExe cfg.package;
  arguments = import ../data/push-arguments.nix {
    push = cfg;
    queue = cfg.queueFile;
    # The service of the user may read all that the user may read.
    token = if cfg.tokenFile == null then null else toString cfg.tokenFile;
    keys = map toString cfg.signingKeyFiles;
  };
  quoted = import ../data/quoted.nix;
  inherit (pkgs.stdenv) hostPlatform;
in
{
  imports = [ ../client/push-options.nix ];

  config = lib.mkMerge [
    {
      services.rust-nix-serve.client.push = {
        # Where the program looks for the queue of a user.
        queueFile = "${config.xdg.stateHome}/rust-nix-serve/queue.sqlite";
        # The hook of a user is one for machines without a daemon of Nix.
        watch = lib.mkDefault true;
      };
    }
    (lib.mkIf (cfg.enable && hostPlatform.isLinux) {
      systemd.user.services.rust-nix-serve-push = {
        Unit.Description = "Push builds into a binary cache";
        Service = {
          Type = "notify";
          ExecStart = lib.concatMapStringsSep " " quoted ([ program ] ++ arguments);
          # Longer than a request may be silent, which is five minutes.
          WatchdogSec = "6min";
          Restart = "always";
          RestartSec = 5;
          NoNewPrivileges = true;
          # The packed NAR of a large path does not lie in memory.
          Environment = [ "TMPDIR=/var/tmp" ];
        };
        Install.WantedBy = [ "default.target" ];
      };
    })
    (lib.mkIf (cfg.enable && hostPlatform.isDarwin) {
      launchd.agents.rust-nix-serve-push = {
        enable = true;
        config = {
          ProgramArguments = [ program ] ++ arguments;
          KeepAlive = true;
          RunAtLoad = true;
          ProcessType = "Background";
          StandardErrorPath = "${config.home.homeDirectory}/Library/Logs/rust-nix-serve-push.log";
        };
      };
    })
  ];
}

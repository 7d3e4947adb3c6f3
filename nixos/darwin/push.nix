# A Mac whose builds go into a cache: a hook of Nix fills a queue on disk, and a daemon of launchd pushes it. For nix-darwin.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.rust-nix-serve.client.push;
  user = "_rust-nix-serve-push";
  directory = "/var/lib/rust-nix-serve-queue";
  log = "/var/log/rust-nix-serve-push.log";

  secrets = map toString (lib.optional (cfg.tokenFile != null) cfg.tokenFile ++ cfg.signingKeyFiles);
  secretsDirectory = "/var/run/rust-nix-serve-push";
  # The daemon reads them anew for each pass.
  copyOf = file: secretsDirectory + toString file;
  arguments = import ../data/push-arguments.nix {
    push = cfg;
    queue = cfg.queueFile;
    token = if cfg.tokenFile == null then null else copyOf cfg.tokenFile;
    keys = map copyOf cfg.signingKeyFiles;
  };
in
{
  imports = [ ../client/push-options.nix ];

  config = lib.mkMerge [
    { services.rust-nix-serve.client.push.queueFile = "${directory}/queue.sqlite"; }
    (lib.mkIf cfg.enable (
      import ./account.nix { inherit lib pkgs; } {
        name = user;
        id = 542;
        description = "Pushes builds into a binary cache";
        directories = [
          {
            path = directory;
            mode = "0750";
          }
        ];
        inherit log;
      }
    ))
    (lib.mkIf cfg.enable {
      launchd.daemons = {
        rust-nix-serve-push = {
          command = lib.escapeShellArgs ([ (lib.getExe cfg.package) ] ++ arguments);
          # The packed NAR of a large path does not lie in memory.
          environment.TMPDIR = "/var/tmp";
          serviceConfig = {
            UserName = user;
            GroupName = user;
            KeepAlive = true;
            RunAtLoad = true;
            ProcessType = "Background";
            StandardErrorPath = log;
          };
        };
      }
      // lib.optionalAttrs (secrets != [ ]) {
        rust-nix-serve-push-secrets = import ./secrets.nix { inherit pkgs; } {
          inherit user;
          directory = secretsDirectory;
          files = secrets;
        };
      };
    })
  ];
}

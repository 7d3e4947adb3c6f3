# The server under launchd: an account of its own, its directories, its key, copies of secrets.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.rust-nix-serve;
  user = "_rust-nix-serve";
  state = "/var/lib/rust-nix-serve";
  log = "/var/log/rust-nix-serve.log";
  program = lib.getExe cfg.package;

  ofDaemon = serviceConfig: serviceConfig // {
    UserName = user;
    GroupName = user;
    RunAtLoad = true;
    StandardErrorPath = log;
  };
  files = map (secret: secret.file) cfg.secrets;

  # Where the daemon writes: nothing else of ours is its own.
  written =
    lib.optional cfg.narCache.enable cfg.narCache.directory
    ++ lib.filter (directory: directory != null) [
      cfg.storageDirectory
      cfg.indexDirectory
    ]
    ++ cfg.upload.directories;
in
{
  config = lib.mkIf cfg.enable (
    lib.mkMerge [
      (import ./account.nix { inherit lib pkgs; } {
        name = user;
        id = 541;
        description = "Nix binary cache";
        directories = [
          {
            path = state;
            # People read the public key; the secret key has a mode of its own.
            mode = "0755";
          }
        ]
        ++ map (path: {
          inherit path;
          mode = "0750";
        }) (lib.unique written);
        inherit log;
      })
      {
        environment.systemPackages = [ cfg.package ];
        # For commands of the operator.
        environment.etc."rust-nix-serve/config.toml".source = cfg.configFile;

        launchd.daemons.rust-nix-serve = {
          # The file by its name in the store: launchd starts the daemon anew when it is another one.
          command = lib.escapeShellArgs [
            program
            "serve"
            "--config"
            "${cfg.configFile}"
          ];
          environment = lib.optionalAttrs cfg.hasBucket {
            AWS_CONFIG_FILE = "/dev/null";
            AWS_SHARED_CREDENTIALS_FILE =
              if cfg.storage.credentialsFile == null then
                "/dev/null"
              else
                cfg.secretsDirectory + toString cfg.storage.credentialsFile;
          };
          serviceConfig = ofDaemon {
            KeepAlive = true;
            # Running downloads end first.
            ExitTimeOut = cfg.shutdownGrace + 15;
            # Each client costs a descriptor, each file that is being sent another.
            SoftResourceLimits.NumberOfFiles = 65536;
            HardResourceLimits.NumberOfFiles = 65536;
          };
        };
      }
      (lib.mkIf cfg.generateSecretKey {
        # Without a key the daemon is up and answers no narinfo; it notices when there is one.
        launchd.daemons.rust-nix-serve-key = {
          command = lib.escapeShellArgs [
            pkgs.runtimeShell
            "${../scripts/make-key.sh}"
            program
            cfg.keyName
            state
          ];
          path = [ pkgs.coreutils ];
          serviceConfig = ofDaemon { };
        };
      })
      (lib.mkIf (files != [ ]) {
        launchd.daemons.rust-nix-serve-keys = import ./secrets.nix { inherit pkgs; } {
          inherit user files;
          directory = cfg.secretsDirectory;
        };
      })
    ]
  );
}

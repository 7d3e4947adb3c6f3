# The systemd units of a machine that pushes its builds, as plain data like data/unit.nix.
{
  # Path of the program.
  program,
  # The value of `services.rust-nix-serve.client.push`.
  push,
  user ? "rust-nix-serve-push",
  # Directory of the queue, below /var/lib.
  directory ? "rust-nix-serve-queue",
  # Program that restarts the daemon when its secrets change.
  systemctl ? "/usr/bin/systemctl",
}:
let
  # systemd hands secrets out under names.
  token = if push.tokenFile == null then [ ] else [ "token:${toString push.tokenFile}" ];
  keys = builtins.genList (
    number: "key-${toString number}:${toString (builtins.elemAt push.signingKeyFiles number)}"
  ) (builtins.length push.signingKeyFiles);
  credentials = token ++ keys;
  nameOf = credential: builtins.head (builtins.match "([^:]*):.*" credential);
  fileOf = credential: builtins.head (builtins.match "[^:]*:(.*)" credential);
  # Words whose directory is known to systemd alone.
  handed = credential: { file = nameOf credential; };
  quoted = word: if word ? file then "%d/${word.file}" else import ./quoted.nix word;
  arguments = import ./push-arguments.nix {
    inherit push;
    queue = "/var/lib/${directory}/queue.sqlite";
    token = if token == [ ] then null else handed (builtins.head token);
    keys = map handed keys;
  };
in
{
  "rust-nix-serve-push.service" = {
    Unit = {
      Description = "Push builds into a binary cache";
      Wants = [ "network-online.target" ];
      After = [ "network-online.target" ];
    };
    Service = import ./hardening.nix { network = true; } // {
      Type = "notify";
      ExecStart = builtins.concatStringsSep " " ([ program ] ++ map quoted arguments);
      # Longer than a request may be silent, which is five minutes.
      WatchdogSec = "6min";
      Restart = "always";
      RestartSec = 5;
      User = user;
      Group = user;
      StateDirectory = directory;
      StateDirectoryMode = "0750";
      # The packed NAR of a large path does not lie in memory.
      Environment = [ "TMPDIR=/var/tmp" ];
    }
    // (if credentials == [ ] then { } else { LoadCredential = credentials; });
    Install.WantedBy = [ "multi-user.target" ];
  };
}
// (
  if credentials == [ ] then
    { }
  else
    {
      # systemd hands out a secret once, when the daemon starts.
      "rust-nix-serve-push-secrets.path" = {
        Unit.Description = "Secrets of the daemon that pushes";
        Path.PathChanged = map fileOf credentials;
        Install.WantedBy = [ "multi-user.target" ];
      };
      "rust-nix-serve-push-secrets.service" = {
        Unit.Description = "Give the daemon that pushes its new secrets";
        Service = {
          Type = "oneshot";
          ExecStart = "${systemctl} try-restart rust-nix-serve-push.service";
        };
      };
    }
)

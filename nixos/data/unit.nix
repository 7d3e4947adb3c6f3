# The systemd units of a cache, as plain data: { "<unit name>" = { Unit = …; Service = …; Install = …; }; }.
# Lists are settings that are written several times. Nothing here needs nixpkgs: the NixOS module turns the data
# into `systemd.*` options, and data/ini.nix turns it into unit files for any other machine.
{
  # Path of the program, and of the configuration file it is given.
  program,
  config,
  # Account of the daemon. Static: nginx and people read its files below /var.
  user ? "rust-nix-serve",
  group ? user,
  # Socket for nginx on this machine: null, or { path, group }.
  proxySocket ? null,
  # Addresses with port that systemd listens on for the daemon ("127.0.0.1:5000", "[::1]:5000").
  addresses ? [ ],
  # The same for monitoring: metrics and health, for all clients that can connect.
  metricsAddresses ? [ ],
  # Whether the daemon opens listeners itself, named in its configuration.
  ownListeners ? false,
  # Whether the daemon connects to others over the network, such as issuers of tokens.
  connects ? false,
  # Where compressed NARs are kept: null, or a directory. One below /var/cache is made by systemd.
  narCache ? null,
  # Group of the files in there. nginx is in it where it sends them, and may read nothing else of ours.
  narCacheGroup ? group,
  # Directory of the storage, a binary cache that the daemon writes: null, or a path. Made where it is missing.
  storage ? null,
  # Directory of a file that is the index of a storage elsewhere: null, or a path, which systemd makes below /var/lib.
  index ? null,
  # Directories for uploads into the store of the machine: for NARs that wait, and for the roots of pushed paths.
  pushed ? [ ],
  # Whether the storage is a bucket, and the file with its credentials as the daemon finds it; null without.
  bucket ? false,
  bucketCredentials ? null,
  # Secret files of the administrator (keys, tokens): { file, namedBy }, the latter for messages, such as the name of
  # an option. Only root needs to be able to read them: they are copied for the daemon, again on every reload and
  # whenever they change.
  secrets ? [ ],
  secretsDirectory ? "/run/rust-nix-serve-keys",
  # Key to make on the first start: null, or { name, directory below /var/lib }.
  generateKey ? null,
  # Secret keys, as root finds them, with which everything in the store is signed: for clients over SSH.
  signStoreWith ? [ ],
  # Seconds that running downloads may take after a request to stop.
  shutdownGrace ? 60,
  # Programs that helpers call.
  shell ? "/bin/sh",
  helperPath ? "/usr/bin:/bin",
  # The scripts of nixos/scripts.
  copySecrets ? "/usr/local/lib/rust-nix-serve/copy-secrets.sh",
  makeKey ? "/usr/local/lib/rust-nix-serve/make-key.sh",
  signStore ? "/usr/local/lib/rust-nix-serve/sign-store.sh",
  makeDirectory ? "/usr/local/lib/rust-nix-serve/make-directory.sh",
}:
let
  when = condition: attrs: if condition then attrs else { };
  listens = proxySocket != null || addresses != [ ];
  socketActivated = listens && !ownListeners;
  hasSecrets = secrets != [ ];
  makesKey = generateKey != null;

  optional = condition: value: if condition then [ value ] else [ ];
  # One name for each kind of socket: the meaning of a name does not change when another kind comes or goes.
  listeners =
    when (socketActivated && proxySocket != null) {
      "rust-nix-serve.socket" = {
        ListenStream = [ proxySocket.path ];
        # By this name the daemon knows on which of its sockets it talks to nginx.
        FileDescriptorName = "nginx";
        SocketUser = user;
        SocketGroup = proxySocket.group;
        SocketMode = "0660";
      };
    }
    // when (socketActivated && addresses != [ ]) {
      "rust-nix-serve-tcp.socket" = streams addresses // {
        NoDelay = true;
        # An address that comes up after boot (a tunnel, a lease) must not keep the socket from starting.
        FreeBind = true;
      };
    };
  metrics = when (socketActivated && metricsAddresses != [ ]) {
    "rust-nix-serve-metrics.socket" = streams metricsAddresses // {
      # By this name the daemon knows that nothing else is to be had here, and asks for no token.
      FileDescriptorName = "metrics";
      # As above.
      FreeBind = true;
    };
  };
  allSockets = listeners // metrics;
  sockets = builtins.attrNames listeners;
  watchers = builtins.attrNames metrics;
  socket = name: settings: {
    Unit = {
      Description = "Nix binary cache";
      # One that goes takes the others along: they must not start the daemon again before the rest has changed.
      PartOf = [
        "rust-nix-serve-sockets.service"
      ]
      ++ builtins.filter (other: other != name) (sockets ++ watchers);
    };
    Socket = {
      Service = "rust-nix-serve.service";
      Backlog = 4096;
    }
    // settings;
    Install.WantedBy = [ "sockets.target" ];
  };

  before =
    optional hasSecrets "rust-nix-serve-keys.service" ++ optional makesKey "rust-nix-serve-key.service";
  isIPv4 = address: builtins.match "[0-9.]+:[0-9]+" address != null;
  # [::] takes IPv4 as well, unless IPv4 has sockets of its own.
  streams = addresses: {
    ListenStream = addresses;
  }
  // when (builtins.any isIPv4 addresses) { BindIPv6Only = "ipv6-only"; };
  quoted = import ./quoted.nix;
  run = script: words: builtins.concatStringsSep " " ([ shell script ] ++ map quoted words);
  copy =
    mode:
    run copySecrets (
      [
        mode
        secretsDirectory
      ]
      ++ map (secret: "${secret.namedBy}=${secret.file}") secrets
    );

  # systemd makes the directories below its own ones.
  below = root: directory: if directory == null then null else builtins.match "${root}/(.+)" directory;
  cacheDirectory = below "/var/cache" narCache;
  stateDirectory = below "/var/lib" index;
  made = optional (storage != null) storage ++ optional (index != null && stateDirectory == null) index ++ pushed;
  # Directories that a command makes first are not there yet when the sandbox of that command is set up.
  written = optional (narCache != null && cacheDirectory == null) narCache ++ map (path: "-${path}") made;

  hardening = import ./hardening.nix;
  # RestrictSUIDSGID= takes away openat2, whose arguments a filter cannot see. The daemon needs it to open files that the
  # kernel has in memory, without waiting, and to keep to the store. NoNewPrivileges= has its file systems mounted nosuid.
  daemon = removeAttrs (hardening { network = !socketActivated || connects; }) [ "RestrictSUIDSGID" ];
in
{
  "rust-nix-serve.service" = {
    Unit = {
      Description = "Nix binary cache";
      After = [
        "network.target"
        "nix-daemon.socket"
      ]
      ++ sockets
      ++ watchers
      ++ before;
      # Without its listener for metrics a cache serves all the same.
      Wants = [ "nix-daemon.socket" ] ++ watchers ++ before;
      Requires = sockets;
      RequiresMountsFor =
        optional (narCache != null) narCache ++ optional (storage != null) storage ++ optional (index != null) index ++ pushed;
      PartOf = optional (allSockets != { }) "rust-nix-serve-sockets.service";
      # A socket whose service failed too often is closed by systemd for good; the delays below do the braking.
      StartLimitIntervalSec = 0;
    };
    Service = daemon // {
      Type = "notify-reload";
      NotifyAccess = "main";
      ExecStart = "${program} serve --config ${config}";
      # Beside the signal: a reload that the daemon refuses, because of a file for instance, fails.
      ExecReload = builtins.concatStringsSep " " (
        [ shell "-c" ]
        ++ map quoted [
          "LISTEN_FDNAMES=$0 exec \"$1\" check-config --config \"$2\""
          (if socketActivated && proxySocket != null then "nginx" else "")
          program
          config
        ]
      );
      # Restarted in one step: the sockets stay, clients wait a moment instead of being refused.
      X-StopIfChanged = false;
      User = user;
      Group = if narCache == null then group else narCacheGroup;
      Restart = "on-failure";
      RestartSec = "200ms";
      RestartSteps = 8;
      RestartMaxDelaySec = "60s";
      WatchdogSec = "30s";
      TimeoutStopSec = "${toString (shutdownGrace + 15)}s";
      # Each client costs a descriptor, each file that is being sent another.
      LimitNOFILE = 65536;
      # Many times the sum of its own bounds: a fault ends the daemon, and not the machine.
      MemoryMax = "4G";
    }
    // when (cacheDirectory != null) {
      CacheDirectory = builtins.head cacheDirectory;
      CacheDirectoryMode = "0750";
    }
    // when (stateDirectory != null) {
      StateDirectory = builtins.head stateDirectory;
      # It has the names of pushers: closed to the daemon's group.
      StateDirectoryMode = "0700";
    }
    // when (written != [ ]) { ReadWritePaths = written; }
    // when (made != [ ]) {
      # As root, and outside of the sandbox.
      ExecStartPre = map (
        directory:
        "+"
        + run makeDirectory [
          directory
          user
          group
        ]
      ) made;
    }
    // when bucket {
      # Nothing is looked for in a home, which is hidden: to be refused a file there is a failure.
      Environment = [
        "AWS_CONFIG_FILE=/dev/null"
        "AWS_SHARED_CREDENTIALS_FILE=${if bucketCredentials == null then "/dev/null" else bucketCredentials}"
      ];
    };
    Install.WantedBy = [ "multi-user.target" ];
  };
}
// builtins.mapAttrs socket allSockets
// when (allSockets != { }) {
  # A changed socket listens anew after a restart only, its own and the daemon's. NixOS restarts changed services alone:
  # this one is restarted when the sockets have changed, and takes them and the daemon along.
  "rust-nix-serve-sockets.service" = {
    Unit = {
      Description = "Sockets of the Nix binary cache";
      X-Restart-Triggers = builtins.hashString "sha256" (builtins.toJSON allSockets);
    };
    Service = hardening { } // {
      Type = "oneshot";
      RemainAfterExit = true;
      User = user;
      Group = group;
      ExecStart = "${shell} -c :";
      X-StopIfChanged = false;
    };
    Install.WantedBy = [ "multi-user.target" ];
  };
}
// when makesKey {
  "rust-nix-serve-key.service" = {
    Unit = {
      Description = "Signing key of the Nix binary cache";
      Before = [ "rust-nix-serve.service" ];
    };
    Service = hardening { } // {
      Type = "oneshot";
      RemainAfterExit = true;
      User = user;
      Group = group;
      StateDirectory = generateKey.directory;
      # People read the public key; the secret key has a mode of its own.
      StateDirectoryMode = "0755";
      X-StopIfChanged = false;
      Environment = [ "PATH=${helperPath}" ];
      ExecStart = run makeKey [
        program
        generateKey.name
        "/var/lib/${generateKey.directory}"
      ];
    };
  };
}
// when hasSecrets {
  "rust-nix-serve-keys.service" = {
    Unit = {
      Description = "Secret files for the Nix binary cache";
      Before = [ "rust-nix-serve.service" ];
      # `systemctl reload rust-nix-serve` copies first, then tells the daemon.
      ReloadPropagatedFrom = [ "rust-nix-serve.service" ];
      StartLimitIntervalSec = 0;
    };
    Service =
      removeAttrs (hardening { }) [
        "PrivateUsers"
        "ProtectHome"
      ]
      // {
        Type = "exec";
        User = user;
        Group = group;
        # Files that only their owner may read, any user. The daemon does not get it: its copies are its own.
        CapabilityBoundingSet = [ "CAP_DAC_READ_SEARCH" ];
        AmbientCapabilities = [ "CAP_DAC_READ_SEARCH" ];
        ProtectHome = "read-only";
        UMask = "0077";
        RuntimeDirectory = baseNameOf secretsDirectory;
        RuntimeDirectoryMode = "0700";
        # The daemon has its copies while this is restarted; they go with the unit.
        RuntimeDirectoryPreserve = "restart";
        Environment = [ "PATH=${helperPath}" ];
        ExecStartPre = copy "once";
        ExecStart = copy "watch";
        ExecReload = copy "once";
        Restart = "always";
        RestartSec = "2s";
        X-StopIfChanged = false;
      };
  };
}
// when (signStoreWith != [ ]) {
  "rust-nix-serve-sign.service" = {
    Unit = {
      Description = "Signatures in the Nix store";
      After = [ "nix-daemon.socket" ] ++ optional makesKey "rust-nix-serve-key.service";
      Wants = optional makesKey "rust-nix-serve-key.service";
    };
    # As root: only a trusted user may add signatures.
    Service = {
      Type = "oneshot";
      Nice = 19;
      IOSchedulingClass = "idle";
      X-StopIfChanged = false;
      ExecStart = run signStore signStoreWith;
    };
  };
  # It takes its time, and nothing waits for a timer: neither the boot nor a switch. Daily, for paths that were copied here.
  "rust-nix-serve-sign.timer" = {
    Unit.Description = "Signatures in the Nix store";
    Timer = {
      OnActiveSec = "10s";
      OnUnitInactiveSec = "1d";
    };
    Install.WantedBy = [ "timers.target" ];
  };
}

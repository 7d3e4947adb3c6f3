# The systemd units of a cache, as plain data: { "<unit name>" = { Unit = …; Service = …; Install = …; }; }.
# Lists are settings that are written several times. Nothing here needs nixpkgs: the NixOS module turns the data
# into `systemd.*` options, and data/ini.nix turns it into unit files for any other machine.
{
  # Path of the program, and of the configuration file it is given.
  program,
  config,
  # Account of the daemon. Static: nginx and people read what it leaves below /var.
  user ? "rust-nix-serve",
  group ? user,
  # Socket for nginx on this machine: null, or { path, group }.
  proxySocket ? null,
  # Addresses with port that systemd listens on for the daemon ("127.0.0.1:5000", "[::1]:5000").
  addresses ? [ ],
  # The same for those who watch the daemon: metrics and health, to everybody who can connect.
  metricsAddresses ? [ ],
  # Whether the daemon opens listeners itself, named in its configuration.
  ownListeners ? false,
  # Whether the daemon connects to others over the network, such as issuers of tokens.
  connects ? false,
  # Where compressed NARs are kept: null, or a directory. One below /var/cache is made by systemd.
  narCache ? null,
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
  systemctl ? "/usr/bin/systemctl",
  helperPath ? "/usr/bin:/bin",
  # The scripts of nixos/scripts.
  copySecrets ? "/usr/local/lib/rust-nix-serve/copy-secrets.sh",
  makeKey ? "/usr/local/lib/rust-nix-serve/make-key.sh",
  signStore ? "/usr/local/lib/rust-nix-serve/sign-store.sh",
}:
let
  when = condition: attrs: if condition then attrs else { };
  listens = proxySocket != null || addresses != [ ];
  socketActivated = listens && !ownListeners;
  hasSecrets = secrets != [ ];
  makesKey = generateKey != null;

  optional = condition: value: if condition then [ value ] else [ ];
  tcpSocket = if proxySocket == null then "rust-nix-serve.socket" else "rust-nix-serve-tcp.socket";
  sockets =
    if socketActivated then
      optional (proxySocket != null) "rust-nix-serve.socket" ++ optional (addresses != [ ]) tcpSocket
    else
      [ ];
  watchers = optional (socketActivated && metricsAddresses != [ ]) "rust-nix-serve-metrics.socket";
  socket = settings: {
    Unit.Description = "Nix binary cache";
    Socket = {
      Service = "rust-nix-serve.service";
      Backlog = 4096;
    }
    // settings;
    Install.WantedBy = [ "sockets.target" ];
  };

  before =
    optional hasSecrets "rust-nix-serve-keys.service" ++ optional makesKey "rust-nix-serve-key.service";
  isWildcard4 = address: builtins.match "0\\.0\\.0\\.0:[0-9]+" address != null;
  quoted = word: ''"${word}"'';
  run = script: words: builtins.concatStringsSep " " ([ shell script ] ++ map quoted words);
  copy = run copySecrets (
    [ secretsDirectory ] ++ map (secret: "${secret.namedBy}=${secret.file}") secrets
  );

  hardening = import ./hardening.nix;
  # RestrictSUIDSGID= takes away openat2, whose arguments a filter cannot see. The daemon opens with it what the kernel
  # has in memory, without waiting, and keeps to the store. NoNewPrivileges= has its file systems mounted nosuid.
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
      # A socket whose service failed too often is closed by systemd for good; the delays below do the braking.
      StartLimitIntervalSec = 0;
    };
    Service = daemon // {
      Type = "notify-reload";
      NotifyAccess = "main";
      ExecStart = "${program} serve --config ${config}";
      User = user;
      Group = group;
      Restart = "on-failure";
      RestartSec = "200ms";
      RestartSteps = 8;
      RestartMaxDelaySec = "60s";
      WatchdogSec = "30s";
      TimeoutStopSec = "${toString (shutdownGrace + 15)}s";
      # Each client costs a descriptor, each file that is being sent another.
      LimitNOFILE = 65536;
      # Many times what its own bounds allow: a fault ends the daemon, and not the machine.
      MemoryMax = "4G";
    }
    // when (narCache != null) (
      let
        below = builtins.match "/var/cache/(.+)" narCache;
      in
      if below == null then
        { ReadWritePaths = [ narCache ]; }
      else
        {
          CacheDirectory = builtins.head below;
          # nginx is in the group.
          CacheDirectoryMode = "0750";
        }
    );
    Install.WantedBy = [ "multi-user.target" ];
  };
}
// when (socketActivated && proxySocket != null) {
  "rust-nix-serve.socket" = socket {
    ListenStream = [ proxySocket.path ];
    # By this name the daemon knows on which of its sockets it talks to nginx.
    FileDescriptorName = "nginx";
    SocketUser = user;
    SocketGroup = proxySocket.group;
    SocketMode = "0660";
  };
}
// when (socketActivated && addresses != [ ]) {
  ${tcpSocket} = socket (
    {
      ListenStream = addresses;
      NoDelay = true;
      # An address that comes up after boot (a tunnel, a lease) must not keep the socket from starting.
      FreeBind = true;
    }
    # [::] takes IPv4 as well, unless IPv4 has a socket of its own.
    // when (builtins.any isWildcard4 addresses) { BindIPv6Only = "ipv6-only"; }
  );
}
// when (watchers != [ ]) {
  "rust-nix-serve-metrics.socket" = socket {
    ListenStream = metricsAddresses;
    # By this name the daemon knows that nothing else is to be had here, and asks for no token.
    FileDescriptorName = "metrics";
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
    };
    Service =
      removeAttrs (hardening { }) [
        "PrivateUsers"
        "ProtectHome"
      ]
      // {
        Type = "oneshot";
        RemainAfterExit = true;
        User = "root";
        Group = group;
        # Files that only their owner may read, whoever that is.
        CapabilityBoundingSet = [ "CAP_DAC_READ_SEARCH" ];
        ProtectHome = "read-only";
        UMask = "0027";
        RuntimeDirectory = baseNameOf secretsDirectory;
        RuntimeDirectoryMode = "0750";
        RuntimeDirectoryPreserve = true;
        Environment = [ "PATH=${helperPath}" ];
        ExecStart = copy;
        ExecReload = copy;
      };
  };
  "rust-nix-serve-keys.path" = {
    Unit.Description = "Changes of secret files for the Nix binary cache";
    Path = {
      PathChanged = map (secret: secret.file) secrets;
      Unit = "rust-nix-serve-reload.service";
    };
    Install.WantedBy = [ "multi-user.target" ];
  };
  "rust-nix-serve-reload.service" = {
    Unit.Description = "Reload of the Nix binary cache after a secret file changed";
    Service = {
      Type = "oneshot";
      ExecStart = "${systemctl} --no-block try-reload-or-restart rust-nix-serve.service";
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
    # As root: only a trusted user may add signatures. It takes its time.
    Service = {
      Type = "oneshot";
      Nice = 19;
      IOSchedulingClass = "idle";
      ExecStart = run signStore signStoreWith;
    };
    Install.WantedBy = [ "multi-user.target" ];
  };
}

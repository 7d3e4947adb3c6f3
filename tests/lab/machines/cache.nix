# One machine with a cache: files made from the same data as the NixOS module's units and virtual host.
given:
let
  data = ../../../nixos/data;
  toText = import (data + "/ini.nix");
  when = condition: attrs: if condition then attrs else { };

  proxied = given.hostName != null && (given.addresses == [ ] || given.nginx);
  encrypted = builtins.match ".*\\..*" given.hostName != null;
  generated = given.secretKeyFile == null;
  secrets =
    builtins.filter (secret: secret.file != null) (
      map
        (option: {
          file = given.${option};
          namedBy = "services.rust-nix-serve.${option}";
        })
        [
          "credentialsFile"
          "secretKeyFile"
          "tokensFile"
        ]
    );
  socket = "/run/rust-nix-serve/http.sock";
  keys = [
    (if generated then "/var/lib/rust-nix-serve/secret-key" else copyOf given.secretKeyFile)
  ];
  copyOf = file: "/run/rust-nix-serve-keys${file}";

  localIndex = import (data + "/local-index.nix");
  isStored = given.storage != null;
  hasBucket = given.credentialsFile != null;
  # As nixos/server/upload.nix has it.
  uploads = when given.intoStore {
    target = "nix-store";
    spool_directory = "/var/lib/rust-nix-serve/spool";
    roots_directory = "/nix/var/nix/gcroots/rust-nix-serve";
  };
  pushedDirectories = if given.intoStore then [ uploads.spool_directory uploads.roots_directory ] else [ ];

  withPort =
    address:
    "${if builtins.match ".*:.*" address != null then "[${address}]" else address}:${toString given.port}";
  units = import (data + "/unit.nix") {
    program = "/usr/local/bin/rust-nix-serve";
    config = "/etc/rust-nix-serve/config.toml";
    inherit secrets;
    inherit (given) narCache metricsAddresses;
    connects = hasBucket;
    storage = if isStored && !hasBucket then (import (data + "/storage-url.nix") given.storage).directory else null;
    index = if hasBucket then "/var/lib/rust-nix-serve/index" else null;
    pushed = pushedDirectories;
    bucket = hasBucket;
    bucketCredentials = if hasBucket then copyOf given.credentialsFile else null;
    narCacheGroup = if proxied then "rust-nix-serve-nars" else "rust-nix-serve";
    addresses = map withPort given.addresses;
    proxySocket =
      if proxied then
        {
          path = socket;
          group = "www-data";
        }
      else
        null;
    generateKey =
      if generated then
        {
          name = "${given.hostName}-1";
          directory = "rust-nix-serve";
        }
      else
        null;
    signStoreWith = if given.ssh then [ "/var/lib/rust-nix-serve/secret-key" ] else [ ];
  };
  unitFiles = builtins.listToAttrs (
    map (name: {
      name = "/etc/systemd/system/${name}";
      value = toText (
        if name == "rust-nix-serve.service" then
          units.${name} // { Unit = units.${name}.Unit // triggers // afterIndex units.${name}.Unit; }
        else
          units.${name}
      );
    }) (builtins.attrNames units)
  );

  # As nixos/server/local-index.nix has it.
  afterIndex =
    unit:
    when given.localIndex {
      After = unit.After ++ [ "postgresql.service" ];
      Wants = unit.Wants ++ [ "postgresql.service" ];
    };

  nginx = import (data + "/nginx-text.nix") {
    nginx = import (data + "/nginx.nix") {
      inherit socket;
      inherit (given) narCache clientCa;
      uploads = if isStored || given.intoStore then true else null;
    };
    serverName = given.hostName;
    acmeWebroot = if encrypted then "/var/lib/acme/webroot" else null;
    tls =
      if encrypted then
        {
          certificate = "/var/lib/acme/certificates/${given.hostName}.crt";
          key = "/var/lib/acme/certificates/${given.hostName}.key";
        }
      else
        null;
  };

  # The effect of NixOS's openPorts, in words of nftables.
  openPorts =
    import (data + "/ports.nix") {
      inherit (given) addresses port;
      virtualHost =
        if proxied then
          {
            listen = [ ];
            listenAddresses = [
              "0.0.0.0"
              "[::0]"
            ];
            httpPort = 80;
            httpsPort = 443;
            forceSSL = encrypted;
            addSSL = false;
            onlySSL = false;
          }
        else
          null;
    }
    ++ (if given.ssh then [ 22 ] else [ ]);
  firewall = ''
    flush ruleset
    table inet firewall {
      chain input {
        type filter hook input priority filter; policy drop;
        iif lo accept
        ct state { established, related } accept
        meta l4proto { 1, 58 } accept # ICMP; there is no /etc/protocols
        ${
          if openPorts == [ ] then
            ""
          else
            "tcp dport { ${builtins.concatStringsSep ", " (map toString openPorts)} } accept"
        }
      }
    }
  '';

  settings = {
    public_url = "${if encrypted then "https" else "http"}://${given.hostName}";
    signing = { inherit keys; };
    cache_info = { inherit (given) priority; };
    access = {
      inherit (given) anonymous subjects;
    }
    // when (given.tokensFile != null) { tokens = copyOf given.tokensFile; };
  }
  // when (given.narCache != null) {
    nar_cache = {
      compression = "zstd";
      directory = given.narCache;
    };
  }
  // when isStored { storage.url = given.storage; }
  // when given.intoStore { upload = uploads; }
  // given.retention
  // when given.localIndex { index = { inherit (localIndex) url; }; }
  // when hasBucket { index.url = "sqlite:///var/lib/rust-nix-serve/index/index.sqlite"; }
  // when (given.narCache != null && proxied) { nginx.location = "/nar-cache/"; }
  # As the module writes it: a reload never shows everything unless that is written.
  // {
    expose = if given.roots != [ ] then { inherit (given) roots; } else { everything = true; };
  };
  # Values are written as in JSON; tables come last.
  toml =
    let
      isTable = name: builtins.isAttrs settings.${name};
      lines = attrs: builtins.attrValues (builtins.mapAttrs (name: value: "${name} = ${builtins.toJSON value}\n") attrs);
      split = builtins.partition isTable (builtins.attrNames settings);
      plain = removeAttrs settings split.right;
    in
    builtins.concatStringsSep "" (
      lines plain ++ builtins.concatMap (name: [ "[${name}]\n" ] ++ lines settings.${name}) split.right
    );
  # As nixos/server/service.nix has it.
  triggers =
    let
      changes = import (data + "/reload.nix") settings;
      hash = part: builtins.hashString "sha256" (builtins.toJSON part);
    in
    {
      X-Reload-Triggers = hash changes.reload;
      X-Restart-Triggers = hash changes.restart;
    };
in
{
  files = {
    "/etc/nftables.conf" = firewall;
    "/etc/rust-nix-serve/config.toml" = toml;
  }
  // unitFiles
  // when proxied { "/etc/nginx/conf.d/cache.conf" = nginx.upstreams + nginx.plain; }
  // when encrypted { "/etc/nginx/cache-encrypted.conf" = nginx.encrypted; }
  // when (given.clientCa != null) { ${given.clientCa} = given.certificates.ca; }
  // when hasBucket {
    ${given.credentialsFile} = given.bucket.credentials;
    "/etc/systemd/system/bucket.service" = toText {
      Unit = {
        Description = "Bucket";
        Before = [ "rust-nix-serve.service" ];
      };
      Service = {
        StateDirectory = "bucket bucket/cache";
        ExecStart = "/usr/local/bin/s3s-fs --host 127.0.0.1 --port 9000 --access-key ${given.bucket.key} --secret-key ${given.bucket.secret} /var/lib/bucket";
      };
      Install.WantedBy = [ "multi-user.target" ];
    };
  }
  // when given.localIndex {
    "/usr/local/lib/postgresql.sh" = builtins.readFile ./postgresql.sh;
    "/etc/systemd/system/postgresql.service" =
      let
        run = mode: "/bin/sh /usr/local/lib/postgresql.sh ${mode} ${localIndex.socket} ${localIndex.database}";
      in
      toText {
        Unit = {
          Description = "PostgreSQL";
          After = [ "network.target" ];
        };
        Service = {
          Type = "notify";
          User = "postgres";
          Group = "postgres";
          RuntimeDirectory = "postgresql";
          ExecStartPre = run "make";
          ExecStart = run "serve";
          ExecStartPost = run "fill";
          KillMode = "mixed";
          KillSignal = "SIGINT";
        };
        Install.WantedBy = [ "multi-user.target" ];
      };
  }
  // when given.ssh {
    "/etc/ssh/sshd_config.d/cache.conf" = ''
      Match User nix-ssh
        AllowAgentForwarding no
        AllowTcpForwarding no
        PermitTTY no
        X11Forwarding no
        ForceCommand nix-store --serve
        AuthorizedKeysFile /etc/ssh/nix-ssh-keys
    '';
    "/etc/ssh/nix-ssh-keys" = given.sshKey.public + "\n";
  };
  # nginx as a unit of the configuration, with a reload for its file as `services.nginx.enableReload` has it.
  nginxUnit = toText {
    Unit = {
      Description = "nginx";
      After = [ "network.target" ];
      X-Reload-Triggers = builtins.hashString "sha256" (nginx.upstreams + nginx.plain);
    };
    Service = {
      Type = "forking";
      PIDFile = "/run/nginx.pid";
      ExecStart = "/usr/sbin/nginx";
      ExecReload = "/usr/sbin/nginx -s reload";
    };
    Install.WantedBy = [ "multi-user.target" ];
  };
  enable =
    builtins.filter (name: units.${name} ? Install) (builtins.attrNames units)
    ++ (if hasBucket then [ "bucket.service" ] else [ ])
    ++ (if given.localIndex then [ "postgresql.service" ] else [ ]);
  nixConf =
    (if given.ssh then "secret-key-files = /var/lib/rust-nix-serve/secret-key\n" else "")
    + (if given.intoStore then "trusted-users = root rust-nix-serve\n" else "");
  inherit proxied encrypted;
  inherit (given) hostName;
}

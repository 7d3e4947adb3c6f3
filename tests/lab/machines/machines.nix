# What the machines of each scenario are set up with: files made from the same data as the NixOS module's units and
# virtual host. The counterpart of tests/nixos/vm.
#   nix-instantiate --eval --strict --json machines.nix --argstr scenario substitution
{ scenario }:
let
  data = ../../../nixos/data;
  toText = import (data + "/ini.nix");
  when = condition: attrs: if condition then attrs else { };

  # Differences from a cache on a LAN with a generated key.
  scenarios = {
    certificates = {
      hostName = "cache.example.com";
      clientCa = "/etc/client-ca.pem";
      subjects = [ "read: O=Example" ];
      anonymous = [ ];
    };
    closed.addresses = [
      "127.0.0.1"
      "::1"
    ];
    collection = { };
    exposure.roots = [ "/nix/var/nix/profiles/ci" ];
    generated-key = { };
    hardening = { };
    https.hostName = "cache.example.com";
    key-rotation.secretKeyFile = "/var/secrets/cache.pem";
    metrics = {
      metricsAddresses = [ "127.0.0.1:5001" ];
      tokensFile = "/var/secrets/tokens";
      anonymous = [ ];
    };
    missing-key.secretKeyFile = "/var/secrets/cache.pem";
    nar-cache.narCache = "/var/cache/rust-nix-serve";
    private = {
      tokensFile = "/var/secrets/tokens";
      subjects = [ "read: O=Example" ];
      anonymous = [ ];
    };
    ssh.ssh = true;
    substitution = { };
    switch = { };
    untrusted = { };
  };
  given = {
    hostName = "cache";
    secretKeyFile = null;
    tokensFile = null;
    clientCa = null;
    subjects = [ ];
    anonymous = [ "read" ];
    metricsAddresses = [ ];
    roots = [ ];
    addresses = [ ];
    ssh = false;
    narCache = null;
  }
  // scenarios.${scenario};

  proxied = given.addresses == [ ];
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
          "secretKeyFile"
          "tokensFile"
        ]
    );
  socket = "/run/rust-nix-serve/http.sock";
  keys = [
    (if generated then "/var/lib/rust-nix-serve/secret-key" else copyOf given.secretKeyFile)
  ];
  copyOf = file: "/run/rust-nix-serve-keys${file}";

  withPort = address: "${if builtins.match ".*:.*" address != null then "[${address}]" else address}:5000";
  units = import (data + "/unit.nix") {
    program = "/usr/local/bin/rust-nix-serve";
    config = "/etc/rust-nix-serve/config.toml";
    inherit secrets;
    inherit (given) narCache metricsAddresses;
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
      value = toText units.${name};
    }) (builtins.attrNames units)
  );

  nginx = import (data + "/nginx-text.nix") {
    nginx = import (data + "/nginx.nix") {
      inherit socket;
      inherit (given) narCache clientCa;
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

  # What NixOS does with openPorts, in words of nftables.
  openPorts =
    import (data + "/ports.nix") {
      inherit (given) addresses;
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

  config = priority: roots: ''
    public_url = "${if encrypted then "https" else "http"}://${given.hostName}"
    [signing]
    keys = ${builtins.toJSON keys}
    [cache_info]
    priority = ${toString priority}
  ''
  + (
    if given.narCache == null then
      ""
    else
      ''
        [nar_cache]
        compression = "zstd"
        directory = "${given.narCache}"
        [nginx]
        location = "/nar-cache/"
      ''
  )
  + ''
    [access]
    anonymous = ${builtins.toJSON given.anonymous}
    subjects = ${builtins.toJSON given.subjects}
    ${if given.tokensFile == null then "" else ''tokens = "${copyOf given.tokensFile}"''}
  ''
  + (
    if roots == [ ] then
      ""
    else
      ''
        [expose]
        roots = ${builtins.toJSON roots}
      ''
  );
  sshKey = import ../../nixos/machines/ssh-key.nix;
  certificates = import ../../nixos/machines/client-certificates.nix;
in
{
  cache = {
    files = {
      "/etc/nftables.conf" = firewall;
      "/etc/rust-nix-serve/config.toml" = config 50 given.roots;
      "/etc/rust-nix-serve/other.toml" = config 30 [ "/nix/var/nix/profiles/ci" ];
    }
    // unitFiles
    // when proxied { "/etc/nginx/conf.d/cache.conf" = nginx.upstreams + nginx.plain; }
    // when encrypted { "/etc/nginx/cache-encrypted.conf" = nginx.encrypted; }
    // when (given.clientCa != null) { ${given.clientCa} = certificates.ca; }
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
      "/etc/ssh/nix-ssh-keys" = sshKey.public + "\n";
    };
    enable = builtins.filter (name: units.${name} ? Install) (builtins.attrNames units);
    nixConf = if given.ssh then "secret-key-files = /var/lib/rust-nix-serve/secret-key\n" else "";
    inherit proxied encrypted;
    inherit (given) hostName;
  };
  client.files =
    when given.ssh { "/etc/client-key" = sshKey.private; }
    // when (given.clientCa != null) {
      "/etc/client.pem" = certificates.good;
      "/etc/stranger.pem" = certificates.stranger;
    };
  scenarios = builtins.attrNames scenarios;
}

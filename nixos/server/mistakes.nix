# Values that cannot be meant, in words of our own: without them follows a message of another program, or a cache
# that no client reaches.
{
  config,
  lib,
  options,
  ...
}:
let
  cfg = config.services.rust-nix-serve;
  option = name: "services.rust-nix-serve.${name}";
  refuse = assertion: message: { inherit assertion message; };

  withNginx = cfg.nginx.enable && cfg.hostName != null;
  host = config.services.nginx.virtualHosts.${cfg.hostName};
  encrypts = host.forceSSL || host.addSSL || host.onlySSL;
  # Without a default: reading it fails where nothing is written.
  hasCertificate =
    host.enableACME || host.useACMEHost != null || (builtins.tryEval host.sslCertificate).success;

  name = import ../data/host-name.nix cfg.hostName;
  acmeServer = config.security.acme.defaults.server;
  isPublicServer = lib.hasInfix "letsencrypt.org" (toString acmeServer);

  isBelow = places: path: lib.any (place: path == place || lib.hasPrefix "${place}/" path) places;
  # Hidden from every unit with a sandbox, or its own.
  hiddenPlaces = [
    "/home"
    "/root"
    "/run/user"
    "/tmp"
    "/var/tmp"
  ];
  ownTemporary = [
    "/tmp"
    "/var/tmp"
  ];
  directoryProblem = import ./parts/directory.nix { inherit lib; } cfg.narCache.directory;

  # Of the copied files, those that no other user may read.
  isKey =
    secret:
    lib.any (end: lib.hasSuffix end secret.namedBy) [
      "secretKeyFile"
      "secretKeyFiles"
      "credentialsFile"
      ".key"
      ".keys"
    ];
  # Made from the configuration, by way of the store.
  isMade =
    file: lib.hasPrefix "/etc/" file && config.environment.etc ? ${lib.removePrefix "/etc/" file};

  size = import ../data/size.nix (toString (cfg.settings.nar_cache.size or ""));
  smallest = 64 * 1024 * 1024;

  usesPort = lib.any (address: !(lib.hasPrefix "unix:" address)) cfg.listeners.addresses;
  nginxPorts = lib.optionals config.services.nginx.enable [
    config.services.nginx.defaultHTTPListenPort
    config.services.nginx.defaultSSLListenPort
  ];
  # Servers that are there as well, on their ports; not the modules that take their options over.
  rivals = removeAttrs {
    nix-serve = lib.optional (config.services.nix-serve.enable or false) (
      toString config.services.nix-serve.port
    );
    harmonia =
      let
        harmonia = config.services.harmonia or { };
        bind = harmonia.cache.settings.bind or harmonia.settings.bind or "[::]:5000";
      in
      lib.optional (harmonia.cache.enable or harmonia.enable or false) (
        lib.last (lib.splitString ":" bind)
      );
  } cfg.replaces;
  onOurPort = lib.filter (rival: usesPort && rivals.${rival} == [ (toString cfg.port) ]) (
    lib.attrNames rivals
  );

  access = cfg.settings.access or { };
  unreadable =
    (access.anonymous or [ "read" ]) == [ ]
    && !(access ? tokens)
    && (access.subjects or [ ]) == [ ]
    && (access.oidc or { }) == { };
  unsigned =
    (cfg.settings.signing.keys or [ ]) == [ ] && (cfg.settings.signing.policy or "add") != "keep";
in
{
  config = lib.mkIf cfg.enable {
    assertions = [
      (refuse (
        cfg.hostName != null -> name.problem == null
      ) "${option "hostName"}: ${toString name.problem}.")
      (refuse
        (withNginx && name.problem == null && host.enableACME -> name.kind == "public" || !isPublicServer)
        ''
          ${option "nginx.enableACME"}: ${cfg.hostName} is ${
            if name.kind == "address" then "an address" else "a name that is known in your network only"
          }, and ${toString acmeServer} vouches for public names alone. Use an ACME server of your own
          (security.acme.defaults.server), a certificate of your own (${option "nginx.virtualHost"}.sslCertificate), or
          none: ${option "nginx.enableACME"} = false.
        ''
      )
      (refuse (withNginx && encrypts -> hasCertificate) ''
        ${cfg.hostName} shall be served by HTTPS, but there is no certificate. ${option "nginx.virtualHost"} takes
        useACMEHost, the name of one in security.acme.certs, or sslCertificate and sslCertificateKey;
        ${option "nginx.enableACME"} = true orders one.
      '')
      (refuse (cfg.narCache.enable -> directoryProblem == null) ''
        ${option "narCache.directory"} is ${cfg.narCache.directory}: ${toString directoryProblem}; /srv/nars for instance.
      '')
      (refuse (cfg.narCache.enable -> size != null && size >= smallest) ''
        ${option "narCache.maxSize"} is "${toString (cfg.settings.nar_cache.size or "")}": ${
          if size == null then
            "not a size. Write a number and a unit, such as 20GiB or 500M"
          else
            "${toString size} bytes, in which hardly one NAR has room. The unit belongs to it: 20GiB for instance"
        }.
      '')
      (refuse (usesPort -> !(lib.elem cfg.port nginxPorts)) ''
        ${option "port"} is ${toString cfg.port}, where nginx listens on this machine. Use another, or let nginx stand in
        front: ${option "hostName"}.
      '')
      (refuse
        (cfg.prometheus.enable && usesPort -> !(lib.any (stream: lib.elem stream cfg.listeners.streams) cfg.listeners.metricsStreams))
        ''
          ${option "prometheus.listenAddress"} (${cfg.prometheus.listenAddress}) is an address of the cache itself: metrics need
          a port of their own.
        ''
      )
      (refuse (onOurPort == [ ]) ''
        services.${toString onOurPort} is enabled as well, on port ${toString cfg.port}. Give one of them another
        (${option "port"}), or import nixosModules.replace-${toString onOurPort}, which takes its options over.
      '')
      (refuse
        (cfg.gc.enable && cfg.gc.deleteOlderThan != null -> builtins.match "[0-9]+d" cfg.gc.deleteOlderThan != null)
        ''
          ${option "gc.deleteOlderThan"} is "${toString cfg.gc.deleteOlderThan}": nix-collect-garbage takes days, "30d" for instance.
        ''
      )
      (refuse
        (
          cfg.gc.enable && cfg.gc.keepBuilds != null
          -> builtins.match "[0-9]+ ?(h|hr|hours?|d|days?|w|weeks?|months?|y|years?)" cfg.gc.keepBuilds != null
        )
        ''
          ${option "gc.keepBuilds"} is "${toString cfg.gc.keepBuilds}": write a number of hours, days, weeks, months or years,
          "30d" for instance. (m is minutes: "1month".)
        ''
      )
      (refuse (!(lib.elem "*" (cfg.settings.expose.deny or [ ])) || (cfg.settings.expose.allow or [ ]) != [ ]) ''
        ${option "expose.deny"} hides every path there is, by "*". Paths that shall be shown alone are ${option "expose.names"}.
      '')
      (refuse
        (!(lib.any (root: lib.elem root [ "/" "/nix" "/nix/store" "/nix/store/" ]) (cfg.settings.expose.roots or [ ])))
        ''
          ${option "expose.roots"} names the whole store. If that is meant: ${option "expose.everything"} = true.
        ''
      )
    ]
    ++ map (
      secret:
      refuse (!(isBelow ownTemporary secret.file)) ''
        ${secret.namedBy} is ${secret.file}: units have temporary directories of their own, and this one is
        gone after a reboot. Keep it in /var/lib or /run/secrets, for instance.
      ''
    ) cfg.secrets
    ++ map (
      secret:
      refuse (!(isMade secret.file)) ''
        ${secret.namedBy} is ${secret.file}, which environment.etc makes: it is a file in the Nix store, for all users to
        read, and this machine publishes the store.
      ''
    ) (lib.filter isKey cfg.secrets)
    ++ lib.optional (cfg.access.clientCa != null) (
      refuse
        (builtins.isPath cfg.access.clientCa || !(isBelow hiddenPlaces (toString cfg.access.clientCa)))
        ''
          ${option "access.clientCa"} is ${toString cfg.access.clientCa}: home and temporary directories are hidden from nginx. It
          is no secret: a path literal is fine, ./client-ca.pem for instance.
        ''
    );

    warnings =
      lib.optional
        (
          withNginx
          && name.problem == null
          && name.kind != "public"
          && lib.hasInfix "." cfg.hostName
          && !encrypts
          && options.services.rust-nix-serve.nginx.enableACME.highestPrio >= (lib.mkOptionDefault null).priority
        )
        ''
          ${option "hostName"}: ${cfg.hostName} gets no certificate, since public ACME servers do not vouch for ${
            if name.kind == "address" then "addresses" else "such names"
          }: it is served by plain HTTP. That is agreed to by ${option "nginx.enableACME"} = false.
        ''
      ++ lib.optional (cfg.access.clientCa != null && (access.subjects or [ ]) == [ ]) ''
        ${option "access.clientCa"}: clients are asked for a certificate, and none has a permission. Their permissions are
        written in ${option "access.subjects"}, "read: O=Example" for instance.
      ''
      ++ lib.optional unreadable ''
        ${option "access.anonymous"} is empty, and no other client may read either: there is no tokensFile, no access.subjects and
        no issuer.
      ''
      ++ lib.optional unsigned ''
        ${option "generateSecretKey"} is false and there is no key: nothing is signed, and clients refuse paths without
        another signature they trust. Where that is meant: ${option "settings.signing.policy"} = "keep".
      ''
      ++ lib.optional (!config.nix.enable) ''
        nix.enable is false: without the Nix daemon a path that is being sent is not protected from garbage collection.
      '';
  };
}

{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.rust-nix-serve;
in
{
  options.services.rust-nix-serve = {
    enable = lib.mkEnableOption "rust-nix-serve, which serves this machine's Nix store as a binary cache";

    package = lib.mkPackageOption {
      # Of the overlay, or built from this source tree.
      rust-nix-serve = pkgs.rust-nix-serve or (import ../checkout.nix { inherit pkgs; });
    } "rust-nix-serve" { };

    replaces = mkOption {
      type = types.listOf types.str;
      internal = true;
      default = [ ];
      description = "Servers whose options are taken over by a module of ours.";
    };

    hostName = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "cache.example.org";
      description = ''
        Name under which clients reach the cache. With a name, nginx stands in front, with a certificate
        from an ACME server where the name has a dot, and the firewall lets clients in.
      '';
    };

    bindAddress = mkOption {
      type = types.coercedTo types.str lib.singleton (types.listOf types.str);
      default =
        if cfg.nginx.enable || cfg.settings ? listen then
          [ ]
        else
          [ "127.0.0.1" ] ++ lib.optional (config.networking.enableIPv6 or true) "::1";
      defaultText = lib.literalMD "both loopback addresses, or none behind nginx";
      example = [
        "0.0.0.0"
        "::"
      ];
      description = ''
        Addresses on which {option}`port` answers plain HTTP; one, or a list. `localhost` is both loopback addresses, `*`
        every address of the machine, `unix:/path` a socket that every user of the machine may connect to.
      '';
    };

    port = mkOption {
      type = types.port;
      default = 5000;
      description = "Port of plain HTTP on each {option}`bindAddress`.";
    };

    openFirewall = mkOption {
      type = types.bool;
      default = cfg.hostName != null;
      defaultText = lib.literalMD "true with a `hostName`";
      description = ''
        Whether to open the ports on which something listens for other machines: those of nginx for the
        {option}`hostName`, and {option}`port` where a {option}`bindAddress` is more than loopback.
      '';
    };

    secretKeyFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = "/run/secrets/cache-key";
      description = ''
        File with the secret key that signs served paths, as made by `nix-store --generate-binary-cache-key` or
        `rust-nix-serve key generate`. Only root needs to be able to read it. Written as a string: a path literal would
        be copied into the Nix store, for all users to read. A changed file takes effect without a restart. While the
        file is missing the cache is up but answers no narinfo.
      '';
    };

    secretKeyFiles = mkOption {
      type = types.listOf types.path;
      default = [ ];
      description = ''
        More files like {option}`secretKeyFile`. Every key signs: with an old and a new one, clients can move from one
        to the other in their own time.
      '';
    };

    generateSecretKey = mkOption {
      type = types.bool;
      default = cfg.secretKeyFile == null && cfg.secretKeyFiles == [ ];
      defaultText = lib.literalMD "true where no secret key file is named";
      description = ''
        Whether to make a key on the first start: `/var/lib/rust-nix-serve/secret-key`, and beside it `public-key` for
        clients. It is made once; when it is lost, no other takes its place.
      '';
    };

    keyName = mkOption {
      type = types.strMatching "[^:[:space:]]+";
      default =
        let
          # That of the machine need not be written on macOS.
          names = lib.filter (name: name != null && name != "") [
            cfg.hostName
            config.networking.hostName
            "cache"
          ];
        in
        "${lib.head names}-1";
      defaultText = lib.literalMD "the `hostName`, or that of the machine, and `-1`";
      description = "Name of a generated key. Clients see it in signatures.";
    };

    priority = mkOption {
      type = types.ints.unsigned;
      default = 50;
      description = ''
        Rank among the caches of a client; the lowest is asked first. cache.nixos.org has 40: by default it is asked
        before this one, which suits clients that are far away at times.
      '';
    };

    shutdownGrace = mkOption {
      type = types.ints.unsigned;
      default = 60;
      description = ''
        Seconds that running downloads may go on when the daemon is restarted, which a switch to another configuration
        waits for. Meanwhile new requests wait. Most options and settings are taken up without a restart.
      '';
    };

    settings = mkOption {
      type = types.submodule { freeformType = (pkgs.formats.toml { }).type; };
      default = { };
      example = {
        workers = 4;
        signing.policy = "ultimate";
        log.level = "debug";
      };
      description = ''
        Configuration of the daemon, as in `config.toml`; the other options fill in their part. It is checked when the
        system is built. With `settings.listen` the daemon opens its listeners itself instead of getting them from
        systemd, and the unit keeps access to the network.
      '';
    };

    nginx = {
      enable = mkOption {
        type = types.bool;
        default = cfg.hostName != null;
        defaultText = lib.literalMD "true with a `hostName`";
        description = "Whether nginx stands in front of the cache, as a virtual host for {option}`hostName`.";
      };

      enableACME = mkOption {
        type = types.bool;
        default =
          cfg.hostName != null
          && (
            let
              name = import ../data/host-name.nix cfg.hostName;
              # An ACME server of one's own vouches for names of one's own.
              isOwnServer = !(lib.hasInfix "letsencrypt.org" (toString config.security.acme.defaults.server));
            in
            name.kind == "public" || name.kind == "local" && isOwnServer && lib.hasInfix "." cfg.hostName
          );
        defaultText = lib.literalMD ''
          true for a `hostName` that is known everywhere: with a dot, no address, and not below `.local`, `.lan`,
          `.home.arpa` and the like, unless `security.acme.defaults.server` is a server of your own
        '';
        description = ''
          Whether to get a certificate for {option}`hostName` from an ACME server, Let's Encrypt unless `security.acme`
          says otherwise; not where {option}`nginx.virtualHost` brings a certificate. That accepts the terms of the server, and a warning says so until {option}`acme.email` or
          `security.acme.acceptTerms` is written; with `acceptTerms = false` the system is not built.
        '';
      };

      forceSSL = mkOption {
        type = types.bool;
        default = cfg.nginx.enableACME;
        defaultText = lib.literalMD "`nginx.enableACME`, and true with a certificate in `nginx.virtualHost`";
        description = "Whether plain HTTP is redirected to HTTPS.";
      };

      virtualHost = mkOption {
        type = types.deferredModule;
        default = { };
        example = {
          serverAliases = [ "cache" ];
        };
        description = ''
          More of the virtual host, in terms of `services.nginx.virtualHosts.<name>`: aliases, a certificate of one's
          own, DNS-01. Settings here go before those of the module.
        '';
      };
    };

    narCache = {
      enable =
        lib.mkEnableOption ''
          compressing NARs with zstd, each once, within a bound on disk. nginx sends the finished ones by itself.
          Without it NARs are sent as they are, and nothing is kept''
        // {
          default = true;
          example = false;
        };

      maxSize = mkOption {
        type = types.str;
        default = "20GiB";
        description = ''
          The most that compressed NARs may take; the least recently used go first. `20GiB` and `20G` are
          powers of 1024, `20GB` is one of 1000.
        '';
      };

      directory = mkOption {
        type = types.path;
        default = "/var/cache/rust-nix-serve";
        description = ''
          Where compressed NARs are kept. Nothing else may be in there. The cache starts when the file system that it is on
          has been mounted.
        '';
      };

      prewarm = {
        roots = mkOption {
          type = types.listOf (types.either types.package (types.strMatching "/.+"));
          default = [ ];
          example = [ "/nix/var/nix/profiles/ci" ];
          description = ''
            Packages, profiles and other links into the store, or directories of such links, whose NARs are compressed
            before a client asks, with their closures: while there is nothing else to do, as far as there is room. The
            daemon has to be able to read the links, as those of {option}`expose.roots`.
          '';
        };

        newPaths = mkOption {
          type = types.bool;
          default = false;
          description = "Whether paths that come into the store are compressed in the same way.";
        };
      };
    };

    acme.email = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "admin@example.org";
      description = ''
        Your address for the account with the ACME server, and your agreement to its terms of service. Without one it
        is that of `security.acme`; without that as well, hostmaster at the {option}`hostName`, and a warning says so.
      '';
    };

    ssh = {
      enable = lib.mkEnableOption ''
        serving the store over SSH as well, to the user `nix-ssh`. Paths of the store and later builds
        is signed with the cache's keys'';

      everything = mkOption {
        type = types.bool;
        default = false;
        description = ''
          Whether those who may read over SSH may read everything in this machine's Nix store. Nothing stands between them
          and the store: {option}`expose` and {option}`tokensFile` count over HTTP alone. Has to be written, unless
          {option}`expose.everything` shows the same to all clients.
        '';
      };

      keys = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA… client" ];
        description = "Public SSH keys of those who may read.";
      };

      write = mkOption {
        type = types.bool;
        default = false;
        description = "Whether those who may read may also copy paths into the store.";
      };
    };

    gc = {
      enable = lib.mkEnableOption "regular garbage collection of the store";

      dates = mkOption {
        type = types.str;
        default = "03:15";
        description = "When to collect, as a systemd calendar event.";
      };

      deleteOlderThan = mkOption {
        type = types.nullOr types.str;
        default = "30d";
        description = "Age at which old generations of profiles stop keeping their closures; null keeps them.";
      };

      keep = mkOption {
        type = types.listOf types.package;
        default = [ ];
        description = "Packages that the cache always has, with all they refer to. They become part of the system.";
      };

      roots = mkOption {
        type = types.listOf (types.strMatching "/.+");
        default = [ ];
        example = [ "/srv/ci/result" ];
        description = "Links to store paths, such as results of builds, that no collection takes away.";
      };

      keepBuilds = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "30d";
        description = ''
          For how long everything that was built on this machine is kept: a number of hours, days, weeks, months or years.
          Sets the `post-build-hook` of Nix; a hook of your own goes before it and calls {option}`gc.postBuildHook`.
        '';
      };

      postBuildHook = mkOption {
        type = types.str;
        readOnly = true;
        description = ''
          The program that keeps a build, for {option}`gc.keepBuilds`. Only where `nix.settings.post-build-hook` is a program
          of your own need you call it, with the environment that Nix gives that one.
        '';
      };
    };

    prometheus = {
      enable = lib.mkEnableOption ''
        a listener for metrics, and a job of this machine's Prometheus that collects them from there. Elsewhere
        `/metrics` is not answered without the permission for it, and never through nginx'';

      listenAddress = mkOption {
        type = types.strMatching ".*:[0-9]{1,5}";
        default = "127.0.0.1:5001";
        description = ''
          Address (as in {option}`bindAddress`) and port on which metrics and health checks are answered, to every client that can connect and without a
          token. The firewall is not opened for it.
        '';
      };

      dashboard = lib.mkEnableOption "a dashboard of the cache in this machine's Grafana";
    };
  };
}

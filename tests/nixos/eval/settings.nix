# Options whose configuration files the program has to accept.
let
  public = {
    hostName = "cache.example.org";
    expose.everything = true;
    acme.email = "admin@example.org";
  };
in
{
  closed = { };
  inherit public;
  keys = {
    secretKeyFile = "/run/secrets/new";
    secretKeyFiles = [ "/run/secrets/old" ];
    priority = 30;
  };
  compressed = public // {
    narCache.enable = true;
    narCache.prewarm = {
      roots = [ "/nix/var/nix/profiles/ci" ];
      newPaths = true;
    };
  };
  compressed-alone.narCache = {
    enable = true;
    maxSize = "1TiB";
    directory = "/srv/nars";
  };
  free.settings = {
    workers = 4;
    signing.policy = "ultimate";
    log.level = "debug";
    limits.downloads = 16;
  };
  private = public // {
    tokensFile = "/run/secrets/tokens";
    access.trustedProxies = [ "10.0.0.1" ];
  };
  watched = public // {
    prometheus.enable = true;
  };
  watched-alone = {
    prometheus.enable = true;
    settings.listen = [ "127.0.0.1:5000" ];
  };
  certificates = public // {
    access = {
      clientCa = "/etc/client-ca.pem";
      subjects = [ "read: O=Example" ];
    };
  };
  issuer = public // {
    settings.access = {
      anonymous = [ ];
      oidc.github = {
        issuer = "https://token.actions.githubusercontent.com";
        audience = "https://cache.example.org";
        claims = [ "repository=org/*" ];
        allow = [ "read" ];
      };
    };
  };
  collected = {
    gc = {
      enable = true;
      keepBuilds = "30 days";
      roots = [
        "/srv/ci/result"
        "/srv/ci-result"
      ];
    };
  };
  signed.ssh = {
    enable = true;
    keys = [ "ssh-ed25519 AAAA client" ];
  };
  addresses = {
    expose.everything = true;
    bindAddress = [
      "localhost"
      "10.0.0.1"
      "[fd00::1]"
      "unix:/run/cache.sock"
    ];
    prometheus.enable = true;
    prometheus.listenAddress = "*:5001";
  };
  typed-issuer = public // {
    oidc.providers.github = {
      issuer = "https://token.actions.githubusercontent.com";
      claims.repository_owner_id = "1234567";
    };
  };
  typed-caches = {
    hostName = "cache.example.org";
    caches = {
      team = {
        hosts = [ "team.example.org" ];
        priority = 20;
        secretKeyFiles = [ "/run/secrets/team-key" ];
        tokensFile = "/run/secrets/team-tokens";
        expose.roots = [ "/nix/var/nix/profiles/team" ];
        oidc.providers.github = {
          issuer = "https://token.actions.githubusercontent.com";
          claims = [ "repository_owner_id=1234567" ];
          allow = [
            "read"
            "push"
          ];
        };
      };
      releases = {
        path = "/releases";
        access.anonymous = [ "read" ];
        expose.names = [ "release-*" ];
      };
    };
  };
  any-spelling-of-a-size.narCache = {
    enable = true;
    maxSize = "500 GB";
  };
  metrics-by-name = {
    prometheus.enable = true;
    prometheus.listenAddress = "localhost:5001";
    settings.listen = [ "127.0.0.1:5000" ];
  };
  named = public // {
    settings.cache.team = {
      path = "/team";
      expose.roots = [ "/nix/var/nix/profiles/team" ];
      access.anonymous = [ "read" ];
    };
  };
  named-alone = {
    hostName = "cache";
    settings.expose.everything = false;
    settings.cache.team = {
      hosts = [ "cache" ];
      expose.roots = [ "/nix/var/nix/profiles/team" ];
      access.anonymous = [ "read" ];
    };
  };
  chosen = {
    hostName = "cache";
    expose = {
      roots = [
        "/run/current-system"
        "/nix/var/nix/profiles/ci-*"
      ];
      signedBy = [ "cache.example.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=" ];
      deny = [ "*-secrets*" ];
      allow = [ "public-secrets" ];
    };
  };
  own-listeners.settings = {
    listen = [ "tls://0.0.0.0:5443" ];
    tls = {
      certificate = "/run/secrets/cert.pem";
      key = "/run/secrets/key.pem";
    };
  };
  stored = public // {
    storage.url = "file:///srv/cache";
    tokensFile = "/run/secrets/tokens";
    retention = {
      minAge = "12h";
      unusedFor = "30d";
      maxSize = "100GiB";
      maxClosures = 5000;
      keepRoots = true;
      rules.pull-requests = {
        roots = [ "pr/*" ];
        days = 7;
        revisions = 2;
      };
    };
  };
  stored-alone = {
    storage.url = "file:///srv/cache";
    index.url = "sqlite:///srv/index/index.sqlite";
    settings.store.enabled = false;
    tokensFile = "/run/secrets/tokens";
    hostName = "cache.example.org";
    acme.email = "admin@example.org";
  };
  stored-in-a-bucket = public // {
    storage.url = "s3://cache/prefix?region=eu-central-1&profile=ci";
    storage.credentialsFile = "/run/secrets/bucket";
    tokensFile = "/run/secrets/tokens";
    upload = {
      requireSignatureBy = [ "ci-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=" ];
      assumeUpstream = [ "https://cache.nixos.org" ];
      maxNarSize = "10GiB";
    };
    caches.team = {
      path = "/team";
      tokensFile = "/run/secrets/team-tokens";
      expose.everything = true;
      upload.requireSignatureBy = [ ];
    };
  };
  indexed-in-a-database = public // {
    storage.url = "file:///srv/cache";
    tokensFile = "/run/secrets/tokens";
    index.createLocally = true;
  };
  pushed-into-the-store = public // {
    tokensFile = "/run/secrets/tokens";
    upload = {
      target = "nix-store";
      roots = "7d";
      spoolSize = "200GiB";
    };
  };
  only-read = public // {
    storage.url = "file:///srv/cache";
    upload.enable = false;
    access.clientCa = "/etc/client-ca.pem";
    access.subjects = [ "read: O=Example" ];
  };
}

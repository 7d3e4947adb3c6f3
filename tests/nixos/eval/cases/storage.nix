# A storage, in a directory or bucket, and uploads into it.
{
  evaluate,
  has,
  lib,
  modules,
  ...
}:
let
  with' =
    options: more:
    evaluate [
      modules.nixos.default
      {
        services.rust-nix-serve = {
          enable = true;
          hostName = "cache.example.org";
          expose.everything = true;
          acme.email = "admin@example.org";
          tokensFile = "/run/secrets/tokens";
        }
        // options;
      }
      more
    ];
  key = "ci-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
  none = with' { } { };
  directory = with' {
    storage.url = "file:///srv/cache/";
    narCache.enable = true;
  } { };
  bucket = with' {
    storage.url = "s3://cache/prefix?region=eu-central-1";
    storage.credentialsFile = "/run/secrets/bucket";
    upload = {
      requireSignatureBy = [ key ];
      assumeUpstream = [ "https://cache.nixos.org" ];
      maxNarSize = "10GiB";
    };
  } { };
  database = with' {
    storage.url = "s3://cache?endpoint=http://127.0.0.1:9000";
    index.createLocally = true;
  } { };
  # The same, for every way to the index.
  indexed = url: with' {
    storage.url = "file:///srv/cache";
    index = { inherit url; };
  } { };
  readOnly = with' {
    storage.url = "file:///srv/cache";
    upload.enable = false;
  } { };
  kept = with' {
    storage.url = "file:///srv/cache";
    retention = {
      unusedFor = "30d";
      keepFree = "20%";
      keepRoots = true;
      rules.pr = {
        roots = [ "pr/*" ];
        days = 7;
      };
    };
  } { };
  upstream = with' {
    storage.url = "file:///srv/cache";
    upload.assumeUpstream = [ "https://cache.nixos.org" ];
  } { };
  alone = evaluate [
    modules.nixos.default
    {
      services.rust-nix-serve = {
        enable = true;
        hostName = "cache.example.org";
        acme.email = "admin@example.org";
        tokensFile = "/run/secrets/tokens";
        storage.url = "file:///srv/cache";
        settings.store.enabled = false;
      };
    }
  ];
  free = evaluate [
    modules.nixos.default
    { services.rust-nix-serve = { enable = true; settings.storage.url = "s3://cache"; }; }
  ];
  named = with' {
    storage.url = "file:///srv/cache";
    caches.team = {
      path = "/team";
      expose.everything = true;
      tokensFile = "/run/secrets/team-tokens";
      upload.requireSignatureBy = [ key ];
    };
  } { };

  daemon = machine: machine.unit "rust-nix-serve.service";
  settings = machine: machine.services.rust-nix-serve.settings;
  isShut =
    machine:
    has "PrivateNetwork=true\n" (daemon machine)
    && has "IPAddressDeny=any\n" (daemon machine)
    && has "RestrictAddressFamilies=AF_UNIX\n" (daemon machine)
    && !(has "AF_INET" (daemon machine));
  isOpen =
    machine:
    !(has "PrivateNetwork" (daemon machine))
    && !(has "IPAddressDeny" (daemon machine))
    && has "RestrictAddressFamilies=AF_INET6\n" (daemon machine);
  # The location of the daemon alone.
  root = machine: machine.services.nginx.virtualHosts."cache.example.org".locations."/".extraConfig;

  refused =
    words: options:
    let
      it = with' ({ storage.url = "file:///srv/cache"; } // options) { };
    in
    {
      got = lib.filter (lib.hasInfix words) it.refusals != [ ];
      want = true;
    };
  warned = words: options: has words (toString (with' options { }).warnings);
in
{
  "nothing is refused" = {
    got = lib.concatMap (machine: machine.refusals ++ machine.warnings) [
      alone
      bucket
      database
      directory
      kept
      named
      none
      readOnly
      upstream
    ];
    want = [ ];
  };

  # Settings.
  "the daemon gets what was written" = {
    got = {
      inherit (settings bucket) storage upload;
    };
    want = {
      storage.url = "s3://cache/prefix?region=eu-central-1";
      upload = {
        require_signature_by = [ key ];
        assume_upstream = [ "https://cache.nixos.org" ];
        max_nar_size = "10GiB";
      };
    };
  };
  "and nothing else" = {
    got = {
      inherit (settings directory) storage;
      more = settings directory ? upload || settings directory ? index;
      none = settings none ? storage || settings none ? upload || settings none ? index;
    };
    want = {
      storage.url = "file:///srv/cache/";
      more = false;
      none = false;
    };
  };
  "the daemon keeps what is written" = {
    got = (settings kept).retention;
    want = {
      unused_for = "30d";
      keep_free = "20%";
      keep_roots = true;
      rules.pr = {
        roots = [ "pr/*" ];
        days = 7;
      };
    };
  };
  "and decides itself where nothing is" = !(settings directory ? retention);
  "roots need no leave to push" =
    has "^PUT 100-continue (?!.*/gcroots/)" (root directory);
  "a cache with a name has its own policy" = {
    got = (settings named).cache.team.upload;
    want.require_signature_by = [ key ];
  };
  "a machine whose store is left out has nothing to decide" = !(settings alone ? expose);

  # A directory.
  "a directory is made before the daemon starts, when its file system is there, and written by it" =
    has "ReadWritePaths=-/srv/cache\n" (daemon directory)
    && has "RequiresMountsFor=/srv/cache\n" (daemon directory)
    && has "make-directory.sh \"/srv/cache\" \"rust-nix-serve\" \"rust-nix-serve\"\n" (daemon directory)
    && has "ExecStartPre=+" (daemon directory);
  "beside the NAR cache, which systemd makes" = has "CacheDirectory=rust-nix-serve\n" (daemon directory);
  "nothing is made for a bucket but its index" =
    !(has "make-directory" (daemon bucket))
    && !(has "ReadWritePaths" (daemon bucket))
    && has "StateDirectory=rust-nix-serve/index\n" (daemon bucket)
    && has "StateDirectoryMode=0700\n" (daemon bucket)
    && (settings bucket).index.url == "sqlite:///var/lib/rust-nix-serve/index/index.sqlite";
  "an index of one's own" =
    let
      it = daemon (indexed "sqlite:///srv/index/index.sqlite");
    in
    lib.all (line: has "${line}\n" it) [
      "ReadWritePaths=-/srv/cache"
      "ReadWritePaths=-/srv/index"
      "RequiresMountsFor=/srv/index"
    ]
    && has "make-directory.sh \"/srv/index\"" it;

  # The network.
  "the network is shut for a directory" =
    isShut none && isShut directory && isShut alone && isShut readOnly;
  "and for an index on the machine" =
    isShut (indexed "sqlite:///srv/index/index.sqlite")
    && isShut (indexed "postgres:///cache?host=/run/postgresql")
    && isShut (indexed "postgres://cache@%2Frun%2Fpostgresql/cache");
  "it is open for a bucket, in whatever way it is written" = isOpen bucket && isOpen database && isOpen free;
  "for caches that clients have as well" = isOpen upstream;
  "and for an index elsewhere" =
    isOpen (indexed "postgres://cache@db.example.org/cache")
    && isOpen (indexed "postgresql:///cache?host=db.example.org");
  "through the proxy of the machine" =
    let
      proxied = options: daemon (with' options { networking.proxy.default = "http://proxy.lan:3128"; });
    in
    has "proxy.lan" (proxied { storage.url = "s3://cache"; }) && !(has "proxy.lan" (proxied { }));

  # Credentials.
  "credentials are copied for the daemon, like every secret" =
    has "Environment=\"AWS_SHARED_CREDENTIALS_FILE=/run/rust-nix-serve-keys/run/secrets/bucket\"\n" (daemon bucket)
    && has "\"services.rust-nix-serve.storage.credentialsFile=/run/secrets/bucket\"" (
      bucket.unit "rust-nix-serve-keys.service"
    )
    && !(has "AWS_" (daemon directory));
  "and are looked for nowhere else, unless that is written" =
    has "Environment=\"AWS_CONFIG_FILE=/dev/null\"\n" (daemon free)
    && has "Environment=\"AWS_SHARED_CREDENTIALS_FILE=/dev/null\"\n" (daemon free)
    && has "Environment=\"AWS_CONFIG_FILE=/etc/aws\"\n" (
      daemon (with' { storage.url = "s3://cache"; } {
        systemd.services.rust-nix-serve.environment.AWS_CONFIG_FILE = "/etc/aws";
      })
    );

  # The index in PostgreSQL.
  "the database of this machine has an account and a database for it, and asks for no password" = {
    got = {
      inherit (database.services.postgresql) enable ensureDatabases;
      users = map (user: { inherit (user) name ensureDBOwnership; }) database.services.postgresql.ensureUsers;
      inherit (settings database) index;
      peer = has "local all all peer" (
        lib.concatStringsSep " " (lib.filter (word: word != "") (lib.splitString " " database.services.postgresql.authentication))
      );
    };
    want = {
      enable = true;
      ensureDatabases = [ "rust-nix-serve" ];
      users = [
        {
          name = "rust-nix-serve";
          ensureDBOwnership = true;
        }
      ];
      index.url = "postgres:///rust-nix-serve?host=/run/postgresql&user=rust-nix-serve";
      peer = true;
    };
  };
  "the daemon comes after it, and does without" =
    lib.elem "postgresql.service" database.systemd.services.rust-nix-serve.after
    && lib.elem "postgresql.service" database.systemd.services.rust-nix-serve.wants
    && !(has "Requires=postgresql" (daemon database));
  "no database without a word" = !bucket.services.postgresql.enable;

  # nginx.
  "uploads of any size pass as they come" =
    lib.all (line: has line (root directory)) [
      "client_max_body_size 0;"
      "proxy_request_buffering off;"
    ];
  "whoever asks before sending is answered by the daemon" =
    has "auth_request /rust-nix-serve-may-upload;" directory.nginxConf
    && has "location = /rust-nix-serve-may-upload" directory.nginxConf;
  "where nothing is stored nginx takes nothing" =
    !(has "client_max_body_size 0" (root none)) && !(has "may-upload" none.nginxConf);
  "a storage that is only read" =
    has "limit_except GET" (root readOnly)
    && !(has "client_max_body_size 0" (root readOnly))
    && !(has "may-upload" readOnly.nginxConf);

  # Values that cannot be meant.
  "a path for a URL" = refused ''write "file:///srv/cache"'' { storage.url = "/srv/cache"; };
  "two slashes" = refused "names another machine" { storage.url = "file://srv/cache"; };
  "no bucket" = refused "names no bucket" { storage.url = "s3://"; };
  "a key in the URL, which the message does not repeat" =
    let
      it = with' { storage.url = "s3://AKIA:verysecret@cache"; } { };
    in
    lib.any (has "without a key") it.refusals && !(has "verysecret" (toString it.refusals));
  "a server for a storage" = refused "s3://bucket?endpoint=https://minio.lan" { storage.url = "https://minio.lan"; };
  "a scheme of something else" = refused "is no storage" { storage.url = "gs://cache"; };
  "a directory of others" = refused "others live there" { storage.url = "file:///var/lib"; };
  "one that the sandbox hides" = refused "are hidden" { storage.url = "file:///home/cache"; };
  "one in the store" = refused "nothing is kept there" { storage.url = "file:///nix/store/cache"; };
  "one that a unit reads otherwise" = refused "letters, digits" { storage.url = "file:///srv/%h"; };
  "the NAR cache in it" = refused "lead to the same place" {
    narCache.enable = true;
    narCache.directory = "/srv/cache/nars";
  };
  "uploads to nowhere" = refused "nothing that uploads could go into" {
    storage.url = null;
    upload.enable = true;
  };
  "credentials in the store" = refused "storage.credentialsFile" {
    storage = {
      url = "s3://cache";
      credentialsFile = ./storage.nix;
    };
  };
  "an index with a password, which the message does not repeat" =
    let
      it = indexed "postgres://cache:verysecret@db.example.org/cache";
    in
    lib.any (has "RUST_NIX_SERVE_INDEX_URL") it.refusals && !(has "verysecret" (toString it.refusals));
  "a password behind the question mark" = refused "has a password" {
    index.url = "postgres:///cache?host=db.example.org&password=x";
  };
  "an index of another kind" = refused "postgres:///database?host=/run/postgresql" {
    index.url = "mysql://db.example.org/cache";
  };
  "an index in a directory of others" = refused "others live there" {
    index.url = "sqlite:///var/lib/rust-nix-serve/index.sqlite";
  };
  "two databases" = refused "Remove" {
    index.createLocally = true;
    index.url = "postgres://db.example.org/cache";
  };
  "an upstream that is none" = refused "is no address of a cache" { upload.assumeUpstream = [ "cache.nixos.org" ]; };
  "the cache as its own upstream" = refused "is this cache itself" {
    upload.assumeUpstream = [ "https://cache.example.org/" ];
  };
  "a key that is none" = refused "NAME:TEXT" { upload.requireSignatureBy = [ "ci-1" ]; };
  "a secret key, which the message does not repeat" =
    let
      secret = lib.concatStrings (lib.genList (_: "A") 86);
      it = with' {
        storage.url = "file:///srv/cache";
        upload.requireSignatureBy = [ "ci-1:${secret}==" ];
      } { };
    in
    lib.any (has "has a secret key") it.refusals && !(has secret (toString it.refusals));
  "a size that is none" = refused "not a size" { upload.maxNarSize = "plenty"; };
  "a size without its unit" = refused "The unit belongs to it" { upload.maxNarSize = "64"; };
  "no client may push" = warned "no client may upload" {
    storage.url = "file:///srv/cache";
    tokensFile = null;
  };
  "all clients may push" = warned "every client that reaches the cache may upload" {
    storage.url = "file:///srv/cache";
    access.anonymous = [
      "read"
      "push"
    ];
  };
  "credentials for a directory" = warned "storage.credentialsFile: without effect" {
    storage = {
      url = "file:///srv/cache";
      credentialsFile = "/run/secrets/bucket";
    };
  };
  "an index of nothing" = warned "index.createLocally: without effect" { index.createLocally = true; };
  "rules for uploads that are off" = warned "upload.maxNarSize: without effect" { upload.maxNarSize = "1GiB"; };
  "a choice from a store that is left out" = warned "expose.everything: without effect" {
    storage.url = "file:///srv/cache";
    settings.store.enabled = false;
  };
}

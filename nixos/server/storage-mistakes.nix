# Storages and uploads that cannot be meant.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.rust-nix-serve;
  option = name: "services.rust-nix-serve.${name}";
  refuse = assertion: message: { inherit assertion message; };

  url = cfg.settings.storage.url or null;
  storage = import ../data/storage-url.nix url;
  directoryProblem = import ./parts/directory.nix { inherit lib; };
  isWithin = inner: outer: inner == outer || lib.hasPrefix "${outer}/" inner;
  isShared =
    cfg.narCache.enable
    && cfg.storageDirectory != null
    && (
      isWithin cfg.narCache.directory cfg.storageDirectory
      || isWithin cfg.storageDirectory cfg.narCache.directory
    );

  index = import ../data/index-url.nix cfg.settings.index.url;
  hasIndex = cfg.settings ? index.url;

  size = import ../data/size.nix (toString cfg.upload.maxNarSize);
  isUrl = text: builtins.match "https?://[^[:space:]/]+(/[^[:space:]]*)?" text != null;
  wrongUpstreams = lib.filter (text: !(isUrl text)) cfg.upload.assumeUpstream;
  hostOf = text: lib.head (lib.splitString "/" (lib.last (lib.splitString "://" text)));
  ownNames = lib.optional (cfg.hostName != null) cfg.hostName ++ lib.concatMap (cache: cache.hosts) (lib.attrValues cfg.caches);
  ownUpstreams = lib.filter (text: lib.elem (hostOf text) ownNames) cfg.upload.assumeUpstream;

  keys = cfg.upload.requireSignatureBy ++ lib.concatMap (cache: lib.optionals (cache.upload.requireSignatureBy != null) cache.upload.requireSignatureBy) (lib.attrValues cfg.caches);
  intoStore = cfg.upload.directories != [ ];
  nix = config.nix.settings;
  lists = name: nix.${name} or [ ] ++ nix."extra-${name}" or [ ];
  # A member of its own group, or of none.
  trustsUser = lib.any (user: lib.elem user (lists "trusted-users")) [
    "*"
    "rust-nix-serve"
    "@rust-nix-serve"
  ];
  # The key of the cache is one of them, if there is one that NixOS does not write itself.
  trustsKey = lib.any (key: !(lib.hasPrefix "cache.nixos.org-1:" key)) (lists "trusted-public-keys");
  matches = pattern: text: builtins.match pattern text != null;
  isPublicKey = matches "[^:[:space:]]+:[A-Za-z0-9+/]{43}=";
  # Twice as long. Never shown: a message would end in logs.
  isSecretKey = matches "[^:[:space:]]+:[A-Za-z0-9+/]{86}==";
  wrongKeys = lib.filter (key: !(isPublicKey key || isSecretKey key)) keys;

  # Every token may have this permission.
  accesses = [ (cfg.settings.access or { }) ] ++ map (cache: cache.access or { }) (lib.attrValues (cfg.settings.cache or { }));
  mayPush =
    access:
    access ? tokens
    || lib.elem "push" (access.anonymous or [ ])
    || lib.any (subject: matches "[^:]*push.*:.*" subject) (access.subjects or [ ])
    || lib.any (provider: lib.elem "push" (provider.allow or [ ])) (lib.attrValues (access.oidc or { }));
in
{
  config = lib.mkIf cfg.enable {
    assertions = [
      (refuse (url != null -> storage.problem == null) "${option "storage.url"}: ${toString storage.problem}.")
      (refuse (cfg.storageDirectory != null -> directoryProblem cfg.storageDirectory == null) ''
        ${option "storage.url"} is ${toString url}: ${toString (directoryProblem cfg.storageDirectory)};
        file:///srv/cache for instance.
      '')
      (refuse (!isShared) ''
        ${option "storage.url"} and ${option "narCache.directory"} lead to the same place: each wants a directory of its
        own, where everything else goes away or is in the way.
      '')
      (refuse (cfg.upload.enable -> url != null || intoStore) ''
        ${option "upload.enable"}: there is nothing that uploads could go into. ${option "storage.url"} names a directory,
        "file:///srv/cache", or a bucket, "s3://cache?region=eu-central-1"; with ${option "upload.target"} = "nix-store"
        they go into the store of this machine.
      '')
      (refuse (intoStore -> cfg.upload.assumeUpstream == [ ]) ''
        ${option "upload.assumeUpstream"}: paths that are pushed into the store of this machine refer to paths in it. Leave it
        out, or push into a storage.
      '')
      (refuse (intoStore -> cfg.settings.store.enabled or true) ''
        ${option "upload.target"} is the store of this machine, which ${option "settings.store.enabled"} = false leaves out.
      '')
      (refuse (hasIndex && url != null -> index.problem == null) "${option "index.url"}: ${toString index.problem}.")
      (refuse (hasIndex -> !index.hasPassword) ''
        ${option "index.url"} has a password, and all users of this machine can read it in the Nix store, which is
        published besides. Leave it out here, and write the whole URL into a file that root alone can read:
          systemd.services.rust-nix-serve.serviceConfig.EnvironmentFile = "/run/secrets/index";
        with the line RUST_NIX_SERVE_INDEX_URL=postgres://…
      '')
      (refuse (cfg.indexDirectory != null && index.problem == null -> directoryProblem cfg.indexDirectory == null) ''
        ${option "index.url"} is a file in ${toString cfg.indexDirectory}: ${
          toString (directoryProblem cfg.indexDirectory)
        }; sqlite:///srv/index/index.sqlite for instance.
      '')
      (refuse (cfg.index.createLocally -> lib.hasInfix "host=/run/postgresql" cfg.index.url) ''
        ${option "index.createLocally"} makes a database on this machine, and ${option "index.url"} names another. Remove
        one of the two.
      '')
      (refuse (wrongUpstreams == [ ]) ''
        ${option "upload.assumeUpstream"}: ${toString wrongUpstreams} is no address of a cache: write
        "https://cache.nixos.org" for instance.
      '')
      (refuse (ownUpstreams == [ ]) ''
        ${option "upload.assumeUpstream"}: ${toString ownUpstreams} is this cache itself, which would wait for its own
        answer before it takes anything.
      '')
      (refuse (wrongKeys == [ ]) ''
        ${option "upload.requireSignatureBy"}: "${toString wrongKeys}": a public key is NAME:TEXT with 44 letters and digits
        behind the colon.
      '')
      (refuse (!(lib.any isSecretKey keys)) ''
        ${option "upload.requireSignatureBy"} has a secret key, which all users can read in a configuration. Make a new
        pair, for this one is no secret any more, and write the public half.
      '')
      (refuse (cfg.upload.maxNarSize != null -> size != null && size >= 1024 * 1024) ''
        ${option "upload.maxNarSize"} is "${toString cfg.upload.maxNarSize}": ${
          if size == null then
            "not a size. Write a number and a unit, such as 64GiB"
          else
            "${toString size} bytes, of which hardly one NAR has so few. The unit belongs to it: 64GiB for instance"
        }.
      '')
    ];

    warnings =
      lib.optional (intoStore && !trustsUser && !trustsKey) ''
        ${option "upload.target"}: the Nix daemon of this machine takes only paths that cache.nixos.org has signed, and
        content-addressed paths. Give it the public key of this cache,
          nix.settings.trusted-public-keys = [ "NAME:TEXT" ];
        as `rust-nix-serve key public FILE` prints it; or the account of the daemon, which may then do anything to this
        machine: nix.settings.trusted-users = [ "rust-nix-serve" ];
      ''
      ++
      lib.optional (cfg.upload.enable && cfg.upload.isTaken && !(lib.any mayPush accesses)) ''
        ${option "upload.enable"}: no client may upload. ${option "tokensFile"} has tokens with the permission push
        (`rust-nix-serve token create ci --allow read,push --file -`); ${option "oidc.providers"} has issuers whose tokens
        may (`allow = [ "read" "push" ]`). For a storage that is only read: ${option "upload.enable"} = false.
      ''
      ++ lib.optional (cfg.upload.enable && lib.any (access: lib.elem "push" (access.anonymous or [ ])) accesses) ''
        ${option "access.anonymous"} has push: every client that reaches the cache may upload, and the cache signs it. Unless that is
        meant, give tokens: ${option "tokensFile"}.
      '';
  };
}

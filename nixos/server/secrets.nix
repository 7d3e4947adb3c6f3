# Files that the configuration names and only root may be able to read: copied for the daemon, which finds its copies.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.rust-nix-serve;

  # Keys of the configuration that name files, `cache.<name>` in front of them included.
  isFile =
    path:
    let
      key = if lib.head path == "cache" then lib.drop 2 path else path;
    in
    lib.elem key [
      [
        "signing"
        "keys"
      ]
      [
        "access"
        "tokens"
      ]
      [
        "tls"
        "certificate"
      ]
      [
        "tls"
        "key"
      ]
      [
        "tls"
        "client_ca"
      ]
    ]
    || (lib.take 2 key == [
      "access"
      "oidc"
    ] && lib.last key == "ca");
  # The texts that must never be in the store.
  isKey =
    path:
    lib.elem (lib.last path) [
      "keys"
      "key"
      "credentialsFile"
    ];

  # A name without a slash is a credential of systemd; the key that is generated is the daemon's already.
  isCopied =
    file:
    lib.hasPrefix "/" (toString file)
    && !builtins.isPath file
    && !lib.hasPrefix "${builtins.storeDir}/" (toString file)
    && file != cfg.generatedKey;
  # A literal is copied into the store, where the daemon reads it as it is; keys are refused before that.
  seen =
    path: file:
    if isCopied file then
      cfg.secretsDirectory + toString file
    else if builtins.isPath file && !isKey path then
      "${file}"
    else
      toString file;

  onFiles =
    change:
    lib.mapAttrsRecursive (
      path: value:
      if !isFile path then
        value
      else if lib.isList value then
        map (change path) value
      else
        change path value
    );
  files = lib.concatLists (
    lib.collect lib.isList (
      lib.mapAttrsRecursive (
        path: value: if isFile path then map (file: { inherit path file; }) (lib.toList value) else [ ]
      ) cfg.settings
    )
  )
  # Found by a variable of the environment; no key of the configuration names it.
  ++ lib.optional (cfg.storage.credentialsFile != null) {
    path = [
      "storage"
      "credentialsFile"
    ];
    file = cfg.storage.credentialsFile;
  };

  # The option that the operator wrote.
  optionOf =
    { path, file }:
    if path == [ "signing" "keys" ] && file == cfg.secretKeyFile then
      "secretKeyFile"
    else if path == [ "signing" "keys" ] && lib.elem file cfg.secretKeyFiles then
      "secretKeyFiles"
    else if path == [ "access" "tokens" ] && file == cfg.tokensFile then
      "tokensFile"
    else if lib.last path == "credentialsFile" then
      lib.concatStringsSep "." path
    else
      "settings.${lib.concatStringsSep "." path}";
  named = one: {
    namedBy = "services.rust-nix-serve.${optionOf one}";
    file = toString one.file;
  };
  # A file that several keys name is copied once.
  byFile = lib.foldl' (known: one: { ${one.file} = one; } // known) { };
in
{
  options.services.rust-nix-serve = {
    secrets = mkOption {
      type = types.listOf types.raw;
      internal = true;
      readOnly = true;
      description = "Files of the administrator, to be copied for the daemon, and the options that name them.";
    };
    secretsDirectory = mkOption {
      type = types.str;
      internal = true;
      readOnly = true;
      description = "Where the daemon finds its copies, each below it by its whole path.";
    };
    generatedKey = mkOption {
      type = types.str;
      internal = true;
      readOnly = true;
      description = "The signing key that the cache makes itself.";
    };
    daemonSettings = mkOption {
      type = types.raw;
      internal = true;
      readOnly = true;
      description = "The settings as the daemon gets them: with its copies in place of the files.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.rust-nix-serve = {
      secrets = lib.attrValues (
        byFile (map named (lib.filter (one: isCopied one.file) files))
      );
      secretsDirectory = "/run/rust-nix-serve-keys";
      generatedKey = "/var/lib/rust-nix-serve/secret-key";
      daemonSettings = onFiles seen cfg.settings;
    };

    # toString, never interpolation: that would copy a path literal into the store to complain about it.
    assertions = map (
      one:
      let
        option = "services.rust-nix-serve.${optionOf one}";
      in
      {
        assertion =
          !(builtins.isPath one.file) && !(lib.hasPrefix builtins.storeDir (toString one.file));
        message = ''
          ${option} is ${toString one.file}: ${
            if builtins.isPath one.file then
              "a path literal, which becomes a file in the Nix store"
            else
              "a file in the Nix store"
          }, and this machine publishes the store. Keep it outside and name it by a string,
          "/run/secrets/cache-key" for instance; sops-nix and agenix put it there.
        '';
      }
    ) (lib.filter (one: isKey one.path) files);
  };
}

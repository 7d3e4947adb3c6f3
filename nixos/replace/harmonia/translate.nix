# services.NAME in options of services.rust-nix-serve.
name:
{
  config,
  lib,
  ...
}:
let
  old = config.services.${name};
  from = "services.${name}";
  inherit (old.cache) settings;
  get = key: settings.${key} or null;
  given = key: get key != null;

  keys = lib.unique (
    old.cache.signKeyPaths
    ++ lib.optional (old.cache.signKeyPath != null) old.cache.signKeyPath
    ++ lib.optional (given "sign_key_path") settings.sign_key_path
    ++ settings.sign_key_paths or [ ]
  );

  # `ADDRESS:PORT`, `[ADDRESS]:PORT` or `unix:PATH`.
  bindText = settings.bind or "";
  bind = builtins.match "(.*):([0-9]+)" bindText;
  isSocket = lib.hasPrefix "unix:" bindText;
  isUnderstood = isSocket || bind != null;
  address =
    if isSocket then
      bindText
    else if lib.elem (lib.head bind) [ "[::]" "::" ] then
      # Both families, as the kernel does it by default; and IPv4 where there is no other.
      "*"
    else
      lib.head bind;
  port = if isSocket || !isUnderstood then 5000 else lib.toIntBase10 (lib.last bind);
  isEncrypted = given "tls_cert_path" || given "tls_key_path";

  setting = key: {
    value = get key;
    when = given key;
  };
  # The old options in terms of the new ones, and whether they are set.
  same = {
    enable.value = true;
    priority = setting "priority";
    secretKeyFiles = {
      value = keys;
      when = keys != [ ];
    };
    bindAddress = {
      value = address;
      when = isUnderstood && !isEncrypted;
    };
    port = {
      value = port;
      when = isUnderstood && !isEncrypted && port != 5000;
    };
    "settings.listen" = {
      value = [ "tls://${bindText}" ];
      when = isUnderstood && isEncrypted;
    };
    "settings.workers" = setting "workers";
    "settings.limits.connections" = setting "max_connections";
    "settings.store.dir" = setting "virtual_nix_store";
    "settings.store.real_dir" = setting "real_nix_store";
    "settings.store.database" = setting "nix_db_path";
    "settings.tls.certificate" = setting "tls_cert_path";
    "settings.tls.key" = setting "tls_key_path";
  };
  ignored = {
    max_connection_rate = "there is no such limit";
    enable_compression = "NARs are compressed once and kept instead: services.rust-nix-serve.narCache.enable";
    zstd = ignored.enable_compression;
    daemon_socket = "the store is read without another daemon";
    daemon_store = ignored.daemon_socket;
  };
  understood = lib.attrNames ignored ++ [
    "bind"
    "priority"
    "sign_key_path"
    "sign_key_paths"
    "workers"
    "max_connections"
    "virtual_nix_store"
    "real_nix_store"
    "nix_db_path"
    "tls_cert_path"
    "tls_key_path"
  ];
  unknown = lib.subtractLists understood (lib.attrNames settings);
in
{
  imports = [
    (import ../common/stand-in.nix {
      inherit name;
      enable = config: config.services.${name}.cache.enable;
    })
  ];

  config = lib.mkIf old.cache.enable {
    services.rust-nix-serve = { replaces = [ "harmonia" ]; } // import ../common/definitions.nix lib same;

    assertions = [
      {
        assertion = isUnderstood;
        message = ''
          ${from}: settings.bind is "${bindText}"; expected ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH.
        '';
      }
      {
        assertion = unknown == [ ];
        message = ''
          ${from}: rust-nix-serve knows nothing like settings.${lib.concatStringsSep ", settings." unknown}. Its settings
          are in services.rust-nix-serve.settings, see docs/configuration.md.
        '';
      }
    ];

    warnings = [
      (import ../common/taken-over.nix lib {
        inherit from;
        options = same;
        notes =
          map (key: "settings.${key} has no effect: ${ignored.${key}}.") (
            lib.intersectLists (lib.attrNames ignored) (lib.attrNames settings)
          )
          ++ lib.optional old.daemon.enable "${from}.daemon has no effect: the store is read without another daemon."
          ++ lib.optional (old.gc != { }) "${from}.gc has no effect: see services.rust-nix-serve.gc.";
      })
    ];
  };
}

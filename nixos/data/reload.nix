# The settings that a reload of the daemon takes up, and those that take a restart. Plain data: settings in, both parts out.
settings:
let
  only =
    names: attrs:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = attrs.${name};
      }) (builtins.filter (name: attrs ? ${name}) names)
    );
  tables = [
    "access"
    "cache"
    "cache_info"
    "expose"
    "retention"
    "signing"
    "tls"
  ];
  access = [
    "failure_delay"
    "trusted_proxies"
  ];
  log = [ "level" ];
  storage = [
    "memory"
    "redirect"
  ];
  upload = [
    "assume_upstream"
    "decoder_memory"
    "direct"
    "direct_min_size"
    "keep_free"
    "max_nar_size"
    "require_signature_by"
    "roots"
    "sign"
    "spool_age"
    "spool_size"
  ];
in
{
  reload = only tables settings // {
    access = removeAttrs (settings.access or { }) access;
    log = only log (settings.log or { });
    storage = only storage (settings.storage or { });
    upload = only upload (settings.upload or { });
  };
  restart = removeAttrs settings tables // {
    access = only access (settings.access or { });
    log = removeAttrs (settings.log or { }) log;
    storage = removeAttrs (settings.storage or { }) storage;
    upload = removeAttrs (settings.upload or { }) upload;
    # Files are exchanged in a running daemon; whether there are any decides on the listeners.
    tls = settings ? tls;
  };
}

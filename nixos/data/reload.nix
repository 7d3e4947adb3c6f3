# What a running daemon takes up when it is reloaded, and what takes a restart. Plain data: settings in, both parts out.
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
    "signing"
    "tls"
  ];
  access = [
    "failure_delay"
    "trusted_proxies"
  ];
  log = [ "level" ];
  upload = [
    "require_signature_by"
    "sign"
  ];
in
{
  reload = only tables settings // {
    access = removeAttrs (settings.access or { }) access;
    log = only log (settings.log or { });
    upload = only upload (settings.upload or { });
  };
  restart = removeAttrs settings tables // {
    access = only access (settings.access or { });
    log = removeAttrs (settings.log or { }) log;
    upload = removeAttrs (settings.upload or { }) upload;
    # Files are exchanged in a running daemon; whether there are any decides on the listeners.
    tls = settings ? tls;
  };
}

# Options that have no effect because the part that they belong to is off: said, for they were meant.
{
  config,
  lib,
  options,
  ...
}:
let
  cfg = config.services.rust-nix-serve;
  option = name: "services.rust-nix-serve.${name}";
  # By the user's hand: a default of another module is no intention.
  isWritten =
    name:
    let
      it = lib.getAttrFromPath (lib.splitString "." name) options.services.rust-nix-serve;
    in
    it.isDefined && it.highestPrio < (lib.mkDefault null).priority;

  host = config.services.nginx.virtualHosts.${cfg.hostName};
  # The option that decides, how it is switched on, and the options that depend on it.
  parts = [
    {
      on = cfg.narCache.enable;
      remedy = "${option "narCache.enable"} = true";
      names = [
        "narCache.directory"
        "narCache.maxSize"
        "narCache.prewarm.newPaths"
        "narCache.prewarm.roots"
      ];
    }
    {
      on = cfg.gc.enable;
      remedy = "${option "gc.enable"} = true";
      names = [
        "gc.dates"
        "gc.deleteOlderThan"
        "gc.keep"
        "gc.keepBuilds"
        "gc.roots"
      ];
    }
    {
      on = cfg.ssh.enable;
      remedy = "${option "ssh.enable"} = true";
      names = [
        "ssh.keys"
        "ssh.write"
      ];
    }
    {
      on = cfg.prometheus.enable;
      remedy = "${option "prometheus.enable"} = true";
      names = [
        "prometheus.dashboard"
        "prometheus.listenAddress"
      ];
    }
    {
      on = cfg.nginx.enable && cfg.hostName != null;
      remedy = "a ${option "hostName"}, with nginx in front";
      names = [
        "acme.email"
        "nginx.enableACME"
        "nginx.forceSSL"
        "nginx.virtualHost"
        "access.clientCa"
      ];
    }
    {
      on = !(cfg.nginx.enable && cfg.hostName != null) || host.enableACME;
      remedy = "a certificate of an ACME server, which nginx has none of here";
      names = [ "acme.email" ];
    }
    {
      on = cfg.settings ? storage.url;
      remedy = "a ${option "storage.url"}";
      names = [
        "index.url"
        "index.createLocally"
      ];
    }
    {
      on = cfg.hasBucket;
      remedy = "a bucket, ${option "storage.url"} = \"s3://…\"";
      names = [ "storage.credentialsFile" ];
    }
    {
      on = cfg.upload.enable;
      remedy = "${option "upload.enable"} = true, and something that uploads go into, such as a ${option "storage.url"}";
      names = [
        "upload.requireSignatureBy"
        "upload.assumeUpstream"
        "upload.maxNarSize"
      ];
    }
    {
      on = cfg.upload.directories != [ ];
      remedy = "the ${option "upload.target"} \"nix-store\"";
      names = [
        "upload.keepFree"
        "upload.roots"
        "upload.spoolSize"
      ];
    }
    {
      on = cfg.settings.store.enabled or true;
      remedy = "this machine's store, which ${option "settings.store.enabled"} = false leaves out";
      names = [
        "expose.everything"
        "expose.roots"
        "expose.names"
        "expose.signedBy"
        "expose.deny"
      ];
    }
    {
      on = cfg.listeners.addresses != [ ];
      remedy = "a ${option "bindAddress"}: nginx reaches the cache over a unix socket, and ${option "settings.listen"} has ports of its own";
      names = [ "port" ];
    }
    {
      on = cfg.generateSecretKey;
      remedy = "${option "generateSecretKey"} = true: other keys have their names in their files";
      names = [ "keyName" ];
    }
    {
      on = cfg.access.clientCa != null || cfg.settings ? tls.client_ca;
      remedy = "${option "access.clientCa"}: no client is asked for a certificate";
      names = [ "access.subjects" ];
    }
    {
      on = (cfg.settings.expose.deny or [ ]) != [ ];
      remedy = "${option "expose.deny"}, of which it is the exceptions";
      names = [ "expose.allow" ];
    }
  ];
  # `false` and `[ ]` switch off a feature that is off.
  isMeant =
    name:
    let
      value = lib.getAttrFromPath (lib.splitString "." name) cfg;
    in
    isWritten name && value != false && value != [ ] && value != null;
  useless = part: lib.filter isMeant part.names;
in
{
  config = lib.mkIf cfg.enable {
    warnings = map (part: ''
      ${lib.concatMapStringsSep ", " option (useless part)}: without effect as it is. It takes ${part.remedy}.
    '') (lib.filter (part: !part.on && useless part != [ ]) parts);
  };
}

# The set-up of the machines of each scenario. The counterpart of tests/nixos/vm.
#   nix-instantiate --eval --strict --json machines.nix --argstr scenario substitution
{ scenario }:
let
  when = condition: attrs: if condition then attrs else { };
  loopback = [
    "127.0.0.1"
    "::1"
  ];
  sshKey = import ../../nixos/machines/ssh-key.nix;
  certificates = import ../../nixos/machines/client-certificates.nix;
  bucket = import ../../nixos/machines/bucket.nix;

  # Differences from a cache on a LAN with a generated key.
  scenarios = {
    certificates = {
      hostName = "cache.example.org";
      clientCa = "/etc/client-ca.pem";
      subjects = [ "read: O=Example" ];
      anonymous = [ ];
    };
    closed.addresses = loopback;
    collection = { };
    exposure.roots = [ "/nix/var/nix/profiles/ci" ];
    generated-key = { };
    hardening = { };
    hook = {
      storage = "file:///srv/cache";
      tokensFile = "/var/secrets/tokens";
      push = {
        url = "http://cache";
        tokenFile = "/var/secrets/token";
        signingKeyFiles = [ ];
        watch = false;
        logs = true;
        listing = true;
        filters = {
          only = [ ];
          skip = [ ];
          maxSize = null;
          maxAge = null;
          builtHere = false;
          upstreams = [ ];
        };
      };
    };
    https.hostName = "cache.example.org";
    key-rotation.secretKeyFile = "/var/secrets/cache.pem";
    local-index = {
      storage = "file:///srv/cache";
      tokensFile = "/var/secrets/tokens";
      localIndex = true;
    };
    metrics = {
      metricsAddresses = [ "127.0.0.1:5001" ];
      tokensFile = "/var/secrets/tokens";
      anonymous = [ ];
    };
    missing-key.secretKeyFile = "/var/secrets/cache.pem";
    nar-cache.narCache = "/var/cache/rust-nix-serve";
    private = {
      tokensFile = "/var/secrets/tokens";
      subjects = [ "read: O=Example" ];
      anonymous = [ ];
    };
    push = {
      hostName = "cache.example.org";
      storage = "file:///srv/cache";
      tokensFile = "/var/secrets/tokens";
      anonymous = [ ];
    };
    push-store = {
      intoStore = true;
      tokensFile = "/var/secrets/tokens";
    };
    push-bucket = scenarios.push // {
      storage = "s3://cache?region=us-east-1&endpoint=http://127.0.0.1:9000";
      credentialsFile = "/var/secrets/bucket";
    };
    retention = scenarios.push // {
      retention = {
        retention = {
          min_age = "10s";
          keep_roots = true;
        };
        "retention.rules.pull-requests" = {
          roots = [ "pr/*" ];
          days = 7;
        };
      };
    };
    secrets = {
      secretKeyFile = "/run/secrets/key";
      tokensFile = "/run/secrets/tokens";
      anonymous = [ ];
      narCache = "/var/cache/rust-nix-serve";
    };
    size-limit = {
      storage = "file:///srv/cache";
      tokensFile = "/var/secrets/tokens";
      retention.retention = {
        min_age = "1s";
        max_size = "2MiB";
        interval = "1s";
      };
    };
    ssh.ssh = true;
    substitution = { };
    # Starts as the first of the configurations below.
    switch = configurations.closed;
    untrusted = { };
  };
  # Those of tests/nixos/vm/switch.nix.
  configurations =
    let
      closed.addresses = loopback;
      port = closed // {
        port = 8080;
      };
      hostName = { };
      priority = {
        priority = 30;
        roots = [ "/nix/var/nix/profiles/ci" ];
      };
      both = closed // {
        nginx = true;
      };
      both-port = both // {
        port = 8080;
      };
      narCache.narCache = "/var/cache/rust-nix-serve";
      tokens = narCache // {
        tokensFile = "/run/secrets/tokens";
        anonymous = [ ];
      };
    in
    {
      inherit
        closed
        port
        hostName
        priority
        both
        both-port
        narCache
        tokens
        ;
    };

  cache =
    options:
    import ./cache.nix (
      {
        hostName = "cache";
        # Beside the addresses.
        nginx = false;
        port = 5000;
        priority = 50;
        secretKeyFile = null;
        tokensFile = null;
        clientCa = null;
        subjects = [ ];
        anonymous = [ "read" ];
        metricsAddresses = [ ];
        roots = [ ];
        addresses = [ ];
        ssh = false;
        narCache = null;
        storage = null;
        intoStore = false;
        retention = { };
        credentialsFile = null;
        localIndex = false;
        inherit bucket certificates sshKey;
      }
      // removeAttrs options [ "push" ]
    );
  given = scenarios.${scenario};
in
{
  cache = removeAttrs (cache scenarios.${scenario}) [ "nginxUnit" ];
  configurations = when (scenario == "switch") (
    builtins.mapAttrs (
      _name: options:
      let
        it = cache options;
      in
      it.files // when it.proxied { "/etc/systemd/system/nginx.service" = it.nginxUnit; }
    ) configurations
  );
  client = import ./client.nix {
    ssh = given.ssh or false;
    certified = given ? clientCa;
    push = given.push or null;
    inherit certificates sshKey;
  };
  scenarios = builtins.attrNames scenarios;
  # The script of these machines, where another scenario has it.
  script = if scenario == "push-bucket" then "push" else scenario;
}

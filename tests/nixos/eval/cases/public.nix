# Three lines: an HTTPS cache.
{
  evaluate,
  has,
  lib,
  modules,
  ...
}:
let
  machine = evaluate [
    modules.nixos.default
    {
      services.rust-nix-serve = {
        enable = true;
        hostName = "cache.example.org";
        expose.everything = true;
      };
    }
  ];
  host = machine.services.nginx.virtualHosts."cache.example.org";
in
{
  "nothing is refused" = {
    got = machine.refusals;
    want = [ ];
  };
  "whose terms are accepted, and how to agree, is the one warning" =
    lib.length machine.warnings == 1
    && lib.all (words: has words (lib.head machine.warnings)) [
      "letsencrypt.org"
      "hostmaster@cache.example.org"
      "services.rust-nix-serve.acme.email"
      "security.acme.acceptTerms = true"
    ];
  "the ports of nginx are open, and no others" = {
    got = machine.networking.firewall.allowedTCPPorts;
    want = [
      80
      443
    ];
  };
  "the certificate is ordered in the name of the host" = {
    got = machine.security.acme.certs."cache.example.org".email;
    want = "hostmaster@cache.example.org";
  };
  "plain HTTP is redirected" = host.forceSSL && host.enableACME;
  "nginx reaches the daemon over its socket" =
    has "server unix:/run/rust-nix-serve/http.sock" machine.nginxConf
    && has "proxy_pass http://rust-nix-serve;" machine.nginxConf;
  "keep-alive to the daemon comes after its server" =
    let
      upstream = lib.last (lib.splitString "upstream rust-nix-serve" machine.nginxConf);
    in
    has "keepalive 64;" (lib.last (lib.splitString "http.sock" upstream));
  "HTTP/2 and IPv6" = has "http2 on;" machine.nginxConf && has "listen [::0]:443 ssl" machine.nginxConf;
  "no NAR is written to nginx's disk" = has "proxy_max_temp_file_size 0;" machine.nginxConf;
  "metrics are not here" = has "return 404;" (
    lib.last (lib.splitString "location = /metrics" machine.nginxConf)
  );
  "systemd listens for nginx alone" = {
    got = machine.systemd.sockets.rust-nix-serve.socketConfig.ListenStream;
    want = [ "/run/rust-nix-serve/http.sock" ];
  };
  "nginx may use the socket" =
    has "SocketGroup=nginx\n" (machine.unit "rust-nix-serve.socket")
    && has "SocketMode=0660\n" (machine.unit "rust-nix-serve.socket");
  "the daemon has no network" =
    has "PrivateNetwork=true\n" (machine.unit "rust-nix-serve.service")
    && has "RestrictAddressFamilies=AF_UNIX\n" (machine.unit "rust-nix-serve.service");
  "openat2 is left to the daemon" = !(
    has "RestrictSUIDSGID" (machine.unit "rust-nix-serve.service")
  );
  "a key is made on the first start" =
    has "make-key.sh" (machine.unit "rust-nix-serve-key.service")
    && has "\"cache.example.org-1\" \"/var/lib/rust-nix-serve\"" (machine.unit "rust-nix-serve-key.service");
  "the daemon signs with it" = {
    got = machine.services.rust-nix-serve.settings.signing.keys;
    want = [ "/var/lib/rust-nix-serve/secret-key" ];
  };
  "the account is static" = !(machine.systemd.services.rust-nix-serve.serviceConfig ? DynamicUser)
    && machine.users.users.rust-nix-serve.isSystemUser;
  "clients are told the public address" = {
    got = machine.services.rust-nix-serve.settings.public_url;
    want = "https://cache.example.org";
  };
}

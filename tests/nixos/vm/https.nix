let
  domain = "cache.example.org";
  address = node: node.networking.primaryIPAddress;
  address6 = node: node.networking.primaryIPv6Address;
  # Both machines find the cache under its public name, and the ACME server.
  names =
    { nodes, ... }:
    {
      networking.hosts = {
        ${address nodes.cache} = [ domain ];
        ${address6 nodes.cache} = [ domain ];
        ${address nodes.acme} = [ "acme.test" ];
      };
    };
in
{
  cache =
    { pkgs, ... }:
    {
      imports = [ names ];
      services.rust-nix-serve = {
        enable = true;
        hostName = domain;
        expose.everything = true;
        acme.email = "admin@example.org";
      };
      security.acme.defaults.server = "https://acme.test:14000/dir";
      # All machines boot at once, and a certificate that was refused is asked for again only much later.
      systemd.services.wait-for-acme-server = {
        before = [ "network-online.target" ];
        wantedBy = [ "network-online.target" ];
        after = [ "network.target" ];
        serviceConfig.Type = "oneshot";
        script = "until ${pkgs.curl}/bin/curl -sk https://acme.test:14000/dir; do sleep 1; done";
      };
      security.pki.certificateFiles = [ "${pkgs.callPackage ../machines/acme-certificate.nix { }}/cert.pem" ];
    };

  client.imports = [ names ];

  acme =
    { nodes, ... }:
    {
      imports = [
        names
        ../machines/acme.nix
      ];
      acme-server.answers = {
        ipv4 = address nodes.cache;
        ipv6 = address6 nodes.cache;
      };
    };
}

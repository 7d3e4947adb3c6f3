# Configurations for nix-serve and harmonia, unchanged.
{
  evaluate,
  has,
  lib,
  modules,
  ...
}:
let
  nix-serve = evaluate [
    modules.nixos.replace-nix-serve
    {
      services.nix-serve = {
        enable = true;
        bindAddress = "0.0.0.0";
        port = 5001;
        openFirewall = true;
        secretKeyFile = "/var/secrets/cache-private-key.pem";
      };
    }
  ];
  harmonia = evaluate [
    modules.nixos.replace-harmonia
    {
      services.harmonia.cache = {
        enable = true;
        signKeyPaths = [ "/run/secrets/key" ];
      };
    }
  ];
  parameters = evaluate [
    modules.nixos.replace-nix-serve
    {
      services.nix-serve = {
        enable = true;
        extraParams = "--priority 30";
      };
    }
  ];
  files = machine: map (secret: secret.file) machine.services.rust-nix-serve.secrets;
in
{
  "nix-serve: the same port and key" =
    nix-serve.networking.firewall.allowedTCPPorts == [ 5001 ]
    && files nix-serve == [ "/var/secrets/cache-private-key.pem" ];
  "nix-serve itself is gone" = !(nix-serve.systemd.services ? nix-serve);
  "nix-serve: each option says where it went" = has "services.rust-nix-serve.port" (
    toString nix-serve.warnings
  );
  "nix-serve: parameters are refused with advice" = lib.any (has "services.rust-nix-serve.priority") parameters.refusals;
  "harmonia: the same keys" = {
    got = files harmonia;
    want = [ "/run/secrets/key" ];
  };
  "harmonia itself is gone" = !(harmonia.systemd.services ? harmonia);
}

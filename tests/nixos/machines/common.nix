# The base of every machine of the tests: Nix without the outside world, and an input-addressed derivation to build.
{ pkgs, ... }:
{
  nix.settings = {
    substituters = pkgs.lib.mkForce [ ];
    experimental-features = [
      "nix-command"
      "flakes"
    ];
    # Builders are /bin/sh and nothing else.
    sandbox = false;
  };
  environment.systemPackages = [ pkgs.curl ];
  environment.etc."fixture.nix".source = ./fixture.nix;
  virtualisation.memorySize = 1536;
  virtualisation.writableStore = true;
}

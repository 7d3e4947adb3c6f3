# An issuer of short-lived tokens: the type of its options, and its settings.
{ lib }:
let
  inherit (lib) mkOption types;
in
{
  # Audience where none is written: the address of the cache, or null where it has none.
  type =
    audience:
    types.submodule {
      options = {
        issuer = mkOption {
          type = types.str;
          example = "https://token.actions.githubusercontent.com";
          description = "The issuer as its tokens say it. Its keys are fetched from there.";
        };

        audience = mkOption {
          type = types.nullOr types.str;
          default = audience;
          defaultText = lib.literalMD "the address of the cache, where it has a `hostName`";
          description = "The audience that the tokens must be made for.";
        };

        claims = mkOption {
          type = types.coercedTo (types.attrsOf types.str) (lib.mapAttrsToList (
            claim: value: "${claim}=${value}"
          )) (types.listOf types.str);
          example = {
            repository_owner_id = "1234567";
            ref = "refs/heads/main";
          };
          description = ''
            The claims that a token must have, as a set or as a list of `claim=value`; in a value `*` stands for any text and `?` for one
            character. Begin with claims that others cannot choose: all users can get a token of a public service.
          '';
        };

        allow = mkOption {
          type = types.listOf (
            types.enum [
              "read"
              "push"
              "pin"
              "delete"
              "metrics"
            ]
          );
          default = [ "read" ];
          description = "Permissions of the holders of such tokens.";
        };

        ca = mkOption {
          type = types.nullOr types.path;
          default = null;
          description = "Certificates (PEM) that vouch for the server of the issuer, instead of those of the public web.";
        };
      };
    };

  toSettings =
    provider:
    {
      inherit (provider) issuer claims allow;
    }
    // lib.optionalAttrs (provider.audience != null) { inherit (provider) audience; }
    // lib.optionalAttrs (provider.ca != null) { inherit (provider) ca; };

  # The faults of providers under the option `name`.
  assertions =
    name: providers:
    lib.concatLists (
      lib.mapAttrsToList (label: provider: [
        {
          assertion = provider.claims != [ ];
          message = ''
            ${name}.${label}.claims is empty: every holder of a token from ${provider.issuer} would be let in. Say which
            ones, { repository_owner_id = "1234567"; } for instance.
          '';
        }
        {
          assertion = provider.audience != null;
          message = ''
            ${name}.${label}.audience: without a hostName it has to be written. Use the address of the cache, for nothing else.
          '';
        }
      ]) providers
    );
}

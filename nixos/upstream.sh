#!/usr/bin/env bash
# upstream.sh DIRECTORY
#
# Lays package, module and VM tests out as nixpkgs wants them, below DIRECTORY (a checkout of nixpkgs, or an empty one). All
# of it is copied as it is but for two files that say where things come from. By hand remain: owner and hashes in
# package.nix, maintainers, a line in module-list.nix, in all-tests.nix and in the release notes.
set -euo pipefail
if [ $# -ne 1 ]; then
  echo "usage: upstream.sh DIRECTORY" >&2
  exit 2
fi
project=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
target=$(cd "$1" && pwd)
version=$(sed -n '/^\[workspace.package]/,/^\[/s/^version = "\(.*\)"/\1/p' "$project/Cargo.toml")

package=$target/pkgs/by-name/ru/rust-nix-serve
mkdir -p "$package"
cp "$project/nixos/package.nix" "$package/package.nix"
python3 - "$package/package.nix" "$version" <<'PYTHON'
import sys

path, version = sys.argv[1:]
text = open(path).read()
start = text.index("  # { version, src,")
end = text.index("}:\n", start)
text = text[:start] + text[end:]
text = text.replace("  rustPlatform,\n", "  rustPlatform,\n  fetchFromGitHub,\n", 1)
source = f'''let
  source = {{
    version = "{version}";
    src = fetchFromGitHub {{
      owner = "OWNER";
      repo = "rust-nix-serve";
      tag = "v{version}";
      hash = lib.fakeHash;
    }};
    cargoHash = lib.fakeHash;
  }};
in
'''
open(path, "w").write(text.replace("}:\n", "}:\n" + source, 1))
PYTHON

# One directory that refers to nothing outside of it; module-list.nix names its `default.nix`.
module=$target/nixos/modules/services/networking/rust-nix-serve
mkdir -p "$module"
cp -r "$project/nixos"/{server,client,data,parts,scripts,client.nix} "$module"
rm "$module/scripts/copy-for-user.sh"
cp "$project/nixos/server.nix" "$module/default.nix"
sed -i 's|^  imports = \[$|&\n    ./client.nix\n    ./client/push.nix|' "$module/default.nix"
python3 - "$module"/{server/options,client/push-options}.nix <<'PYTHON'
import re, sys

for path in sys.argv[1:]:
    text = open(path).read()
    new = re.sub(r"lib\.mkPackageOption \{.*?\} \"rust-nix-serve\" \{ \};", 'lib.mkPackageOption pkgs "rust-nix-serve" { };', text, flags=re.S)
    if new == text:
        sys.exit(f"{path}: the package option is not as expected")
    open(path, "w").write(new)
PYTHON

tests=$target/nixos/tests/rust-nix-serve
mkdir -p "$tests"
cp -r "$project/tests/nixos"/{definitions.nix,machines,scenarios,vm} "$tests"
cat >"$tests/default.nix" <<'NIX'
# In all-tests.nix: rust-nix-serve = import ./rust-nix-serve { inherit runTest; inherit (pkgs) lib; };
{ runTest, lib }: lib.mapAttrs (_: runTest) (import ./definitions.nix { inherit lib; })
NIX

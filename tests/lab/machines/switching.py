"""Several configurations of one machine, and the script that switches between them as NixOS does.

With RNS_NIXPKGS, a checkout of nixpkgs that has it, NixOS's own switch-to-configuration does the work; without, the
script `switch-to` beside this file alone.
"""

import os
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
SCRIPT = "nixos/modules/system/activation/switch-to-configuration.pl"

# Writes the files of the configuration in place of those of the last one, as the activation of NixOS does with /etc.
ACTIVATE = """#!/bin/bash
set -e
cd "$(dirname "$0")"
[ ! -e /etc/activated ] || xargs -r rm -f </etc/activated
cp -r --remove-destination etc/. /etc/
find etc -type f -printf '/%p\\n' >/etc/activated
for unit in etc/systemd/system/*; do
  for wanting in $(sed -n 's/^WantedBy=//p' "$unit"); do
    mkdir -p "/etc/systemd/system/$wanting.wants"
    ln -sfn "../${unit##*/}" "/etc/systemd/system/$wanting.wants/${unit##*/}"
    echo "/etc/systemd/system/$wanting.wants/${unit##*/}" >>/etc/activated
  done
done
nft -f /etc/nftables.conf
"""


def script_of_nixos():
    """NixOS's script as a string, or None."""
    nixpkgs = os.environ.get("RNS_NIXPKGS")
    file = nixpkgs and pathlib.Path(nixpkgs, SCRIPT)
    return file.read_text() if file and file.exists() else None


def set_up(machine, first, configurations):
    """For a machine that starts as the `first` of its configurations."""
    def program(path, text):
        machine.write(path, text)
        (machine.root / path.lstrip("/")).chmod(0o755)

    script = script_of_nixos()
    print(f"switching with {'the script of NixOS' if script else 'switch-to'}")
    program("/usr/local/bin/switch-to", (HERE / "switch-to").read_text())
    machine.write("/etc/NIXOS", "")
    links = [
        f"/etc/systemd/system/{target}.target.wants/{unit}"
        for target in ["multi-user", "sockets"]
        for unit in first["enable"]
    ]
    machine.write("/etc/activated", "\n".join([*first["files"], *links]))
    # On NixOS every unit is one of the configuration.
    installed = machine.root / "usr/lib/systemd/system"
    targets = {name: (installed / name).read_text() for name in ["multi-user.target", "sockets.target"]}
    # The script has early services started by it; there are none.
    targets["sysinit-reactivation.target"] = "[Unit]\nDescription=Reactivation\n"
    for name, text in targets.items():
        machine.write(f"/etc/systemd/system/{name}", text)
    for name, files in configurations.items():
        toplevel = f"/etc/configurations/{name}"
        for path, text in files.items():
            machine.write(toplevel + path, text)
        for unit, text in targets.items():
            machine.write(f"{toplevel}/etc/systemd/system/{unit}", text)
        machine.write(f"{toplevel}/init-interface-version", "systemd 2")
        program(f"{toplevel}/activate", ACTIVATE)
        if script:
            values = {
                **{"perl": "/usr", "systemd": "/usr", "coreutils": "/usr", "utillinux": "/usr"},
                **{"su": "/usr/bin/su", "shell": "/bin/sh", "localeArchive": "", "distroId": "nixos"},
                **{"out": toplevel, "toplevel": toplevel, "installBootLoader": "true"},
            }
            text = script
            for key, value in values.items():
                text = text.replace(f"@{key}@", value)
            program(f"{toplevel}/bin/switch-to-configuration", text)

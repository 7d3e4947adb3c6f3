"""Runs one scenario of tests/nixos/scenarios on containers with real systemd, a network and real nginx.

lab.py SCENARIO BASE WORK PROGRAM NIX

NIX is the directory of the client's Nix, with its `bin`; or `none` for the one of the containers.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import traceback

import acme
import switching
from machine import Failure, Machine
from workspace import Workspace

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parents[2]
SCENARIOS = PROJECT / "tests/nixos/scenarios"
ADDRESSES = {
    "cache": ["10.77.0.1/24", "fd77::1/64"],
    "client": ["10.77.0.2/24", "fd77::2/64"],
    "acme": ["10.77.0.3/24", "fd77::3/64"],
}
NAMES = {"cache": "cache cache.example.org", "client": "client", "acme": "acme acme.test"}

def described(scenario):
    """What machines.nix says about the scenario."""
    text = subprocess.run(
        ["nix-instantiate", "--store", "dummy://", "--eval", "--strict", "--json"]
        + [HERE / "machines.nix", "--argstr", "scenario", scenario],
        check=True,
        stdout=subprocess.PIPE,
        env={key: value for key, value in os.environ.items() if key != "NIX_PATH"},
    ).stdout
    return json.loads(text)


def hosts():
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    for name, addresses in ADDRESSES.items():
        lines += [f"{address.split('/')[0]} {NAMES[name]}" for address in addresses]
    return "\n".join(lines) + "\n"


def set_up(machine, files, nix_conf=""):
    machine.write("/etc/hosts", hosts())
    machine.write("/etc/hostname", machine.name + "\n")
    machine.write(
        "/etc/nix/nix.conf",
        "experimental-features = nix-command flakes\nsandbox = false\nsubstituters =\n" + nix_conf,
    )
    machine.write("/etc/fixture.nix", (PROJECT / "tests/nixos/machines/fixture.nix").read_text())
    for path, text in files.items():
        machine.write(path, text)
    # A machine of NixOS always has a store; Debian makes it with the first command. Not in the tree below: a
    # database that is copied up when it is first written is another file for those who read it already.
    subprocess.run(
        ["unshare", "-m", "sh", "-c", 'mount --bind /proc "$0/proc" && HOME=/root chroot "$0" nix-store --init']
        + [machine.root],
        check=True,
    )


def set_up_cache(machine, cache):
    set_up(machine, cache["files"], cache["nixConf"])
    for script in (PROJECT / "nixos/scripts").glob("*.sh"):
        machine.write(f"/usr/local/lib/rust-nix-serve/{script.name}", script.read_text())
    if cache["encrypted"]:
        acme.set_up_client(machine, cache["hostName"])
        cache["enable"].append(acme.CLIENT_UNIT)
    systemctl(machine, "enable", "nftables.service", *cache["enable"])
    if not cache["proxied"]:
        systemctl(machine, "disable", "nginx.service")


def set_up_client(machine, client):
    set_up(machine, client["files"], client["nixConf"])
    for path, text in client["programs"].items():
        machine.write(path, text)
        (machine.root / path.lstrip("/")).chmod(0o755)
    if client["enable"]:
        systemctl(machine, "enable", *client["enable"])


def verify_units(machine, configurations):
    """systemd has nothing to say about any unit of ours, in no configuration."""
    for directory in ["/etc/systemd/system"] + [f"/etc/configurations/{name}/etc/systemd/system" for name in configurations]:
        found = machine.execute(
            f"SYSTEMD_UNIT_PATH={directory}: systemd-analyze verify --man=no {directory}/rust-nix-serve* 2>&1"
            " | grep rust-nix-serve"
        )[1]
        assert found == "", f"systemd-analyze verify, {directory}:\n{found}"


def systemctl(machine, *words):
    subprocess.run(["systemctl", "--quiet", f"--root={machine.root}", *words], check=True)


def run(scenario, base, workspace, program, nix):
    description = described(scenario)
    machines = {}
    try:

        def machine(name, **more):
            machines[name] = Machine(name, workspace.name, base, workspace.machines, ADDRESSES[name], **more)
            return machines[name]

        # Only one scenario has a bucket; `run` leaves it out where there is no server for it.
        programs = {"rust-nix-serve": program, "s3s-fs": os.environ.get("S3S_FS")}
        binds = [f"{file}:/usr/local/bin/{name}" for name, file in programs.items() if file]
        set_up_cache(machine("cache", binds=binds), description["cache"])
        if description["configurations"]:
            switching.set_up(machines["cache"], description["cache"], description["configurations"])
        own = nix == "none"
        binds = [f"{program}:/usr/local/bin/rust-nix-serve"] if description["client"]["enable"] else []
        client = machine("client", binds=binds + ([] if own else [nix]), path=[] if own else [f"{nix}/bin"])
        set_up_client(client, description["client"])
        if description["cache"]["encrypted"]:
            server = machine("acme")
            set_up(server, {})
            acme.set_up_server(server, machines["cache"], ADDRESSES["cache"])

        def start_all():
            for one in machines.values():
                one.start()
            verify_units(machines["cache"], description["configurations"])
            if description["client"]["enable"]:
                verify_units(machines["client"], [])

        script = "".join(
            [
                (SCENARIOS / "common.py").read_text(),
                "start_all()\n",
                (SCENARIOS / f"{description['script']}.py").read_text(),
            ]
        )
        exec(compile(script, scenario, "exec"), {"start_all": start_all, **machines})
    except (Failure, AssertionError):
        traceback.print_exc()
        for one in machines.values():
            print(f"--- {one.name}\n{one.last_words()}", file=sys.stderr)
        return False
    finally:
        for one in machines.values():
            one.dispose()
    return True


def main():
    scenario, base, work, program, nix = sys.argv[1:]
    start = time.monotonic()
    # The end of this run is the end of its containers as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with Workspace(work) as workspace:
        passed = run(scenario, base, workspace, program, nix)
    client = "Nix of the container" if nix == "none" else os.path.basename(nix)
    print(f"{'ok     ' if passed else 'FAILED '} lab {scenario}, {client} ({time.monotonic() - start:.1f} s)")
    sys.exit(0 if passed else 1)


main()

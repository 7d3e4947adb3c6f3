"""What one run of a scenario takes of this machine: a directory, a network, control groups. All have one name.

A run that was killed leaves them behind; the next one removes what has no owner any more, and nothing else.
"""

import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess

import control_group

PREFIX = "rns-lab-"


class Workspace:
    """To be used in a `with` statement."""

    def __init__(self, parent):
        self.parent = pathlib.Path(parent)
        self.name = f"{PREFIX}{os.getpid()}"
        self.directory = self.parent / self.name
        self.lock = None

    def __enter__(self):
        # One at a time: a directory whose lock is not taken yet looks abandoned.
        with open(self.parent / ".lock", "w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            self._remove_abandoned()
            self.directory.mkdir()
            self.lock = owned(self.directory)
        # Containers are layers over a common tree, which some file systems (such as that of a container that this runs
        # in) cannot hold: then they live in memory.
        kind = subprocess.run(["stat", "-f", "-c", "%T", self.directory], check=True, capture_output=True, text=True)
        self.machines = self.directory / "machines"
        self.machines.mkdir()
        if kind.stdout.strip() in ("overlayfs", "nfs", "fuseblk"):
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", self.machines], check=True)
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        for command in ["link set lo up", "link add br0 type bridge mcast_snooping 0", "link set br0 up"]:
            subprocess.run(["ip", "-n", self.name, *command.split()], check=True)
        return self

    def __exit__(self, *_):
        remove(self.directory)
        self.lock.close()

    def _remove_abandoned(self):
        for directory in self.parent.glob(f"{PREFIX}*"):
            lock = owned(directory)
            if lock:
                print(f"removing {directory.name}, which a run that was killed left behind")
                remove(directory)
                lock.close()


def owned(directory):
    """The lock of the directory, held as long as the file is open; None while another run has it."""
    with contextlib.suppress(FileNotFoundError):
        file = open(directory / "lock", "w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            file.close()
    return None


def remove(directory):
    machines = directory / "machines"
    for machine in machines.glob("*"):
        control_group.end(f"{directory.name}.{machine.name}")
        unmount(machine / "root")
    unmount(machines)
    if pathlib.Path("/run/netns", directory.name).exists():
        subprocess.run(["ip", "netns", "del", directory.name], check=False)
    shutil.rmtree(directory, ignore_errors=True)


def unmount(place):
    if place.is_mount():
        subprocess.run(["umount", place], check=False)

"""Units and rules of the module as systemd reads them.

Standard input holds {configuration: {"units": {name: text}, "rules": [rule of tmpfiles.d]}}; the first argument is a directory to
work in, the second a program that runs commands where it is /mnt (see in-tree)."""

import json
import os
import re
import subprocess
import sys

work = sys.argv[1]
inside = "/mnt" if len(sys.argv) > 2 else work


def run(*command, **more):
    """Runs a command of systemd, and returns the lines that it says."""
    prefix = [sys.argv[2], work] if len(sys.argv) > 2 else []
    done = subprocess.run([*prefix, *command], capture_output=True, text=True, check=False, **more)
    return (done.stdout + done.stderr).splitlines()


# Settings that this systemd is too old for; NixOS has a newer one.
version = int(run("systemd-analyze", "--version")[0].split()[1])
newer = []
if version < 253:
    newer.append(r"service type, ignoring: notify-reload")
    newer.append(r"Failed to parse (service )?type.*notify-reload")
if version < 254:
    newer.append(r"Unknown key (name )?'(RestartSteps|RestartMaxDelaySec)'")


def verify(name, units):
    """Lines that systemd says about the units of a configuration."""
    label = name.replace("/", "_").replace(" ", "_")
    directory = os.path.join(inside, label)
    os.makedirs(os.path.join(work, label))
    files = []
    for unit, text in units.items():
        # Programs are not built here; their arguments stay.
        text = re.sub(r"(?m)^(Exec[A-Za-z]*=[-@:+!]*)/nix/store/\S+/bin/\S+", r"\1/bin/true", text)
        text = re.sub(r"(?m)^(Exec[A-Za-z]*=[-@:+!]*)/nix/store/\S+(?= |$)", r"\1/bin/true", text)
        with open(os.path.join(work, label, unit), "w") as file:
            file.write(text)
        files.append(os.path.join(directory, unit))
    said = run(
        *["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *files],
        env={**os.environ, "SYSTEMD_UNIT_PATH": directory + ":"},
    )
    # Of other units of this machine we say nothing.
    ours = [line for line in said if any(unit in line for unit in units)]
    return [line for line in ours if not any(re.search(pattern, line) for pattern in newer)]


def carry_out(name, rules):
    """What systemd-tmpfiles says about rules, carried out below a directory."""
    root = os.path.join(work, "root")
    os.makedirs(root, exist_ok=True)
    path = os.path.join(work, "rules.conf")
    with open(path, "w") as file:
        # Users of the machine that is meant are not here.
        file.writelines(re.sub(r" rust-nix-serve[a-z-]* rust-nix-serve[a-z-]* ", " - - ", rule) + "\n" for rule in rules)
    return run("systemd-tmpfiles", "--create", "--remove", "--clean", f"--root={inside}/root", f"{inside}/rules.conf")


def builds_expire(rules):
    """A link to a build that is old goes, although the collector reads it at every run; a young one stays."""
    root = os.path.join(work, "kept")
    builds = f"{root}/nix/var/nix/gcroots/rust-nix-serve/builds"
    os.makedirs(builds)
    for link, days in [("old", 40), ("young", 1)]:
        os.symlink("/nix/store/x", f"{builds}/{link}")
        subprocess.run(["touch", "-h", "-m", "-d", f"{days} days ago", f"{builds}/{link}"], check=True)
        os.readlink(f"{builds}/{link}")
    path = os.path.join(work, "builds.conf")
    with open(path, "w") as file:
        file.writelines(rule + "\n" for rule in rules if rule.split()[1].endswith("/builds"))
    run("systemd-tmpfiles", "--clean", f"--root={inside}/kept", f"{inside}/builds.conf")
    return [] if os.listdir(builds) == ["young"] else [f"left: {os.listdir(builds)}"]


failed = False


def report(what, problems):
    global failed
    print("FAILED " if problems else "ok     ", what)
    for problem in problems:
        print("       ", problem)
    failed = failed or bool(problems)


made = json.load(sys.stdin)
# That it says nothing means something only if it says this.
wrong = verify("wrong", {"wrong.service": "[Service]\nExecStart=/bin/true\nNoSuchSetting=1\n"})
report("units: systemd tells of a wrong one", [] if wrong else ["it said nothing"])
for name, one in made.items():
    report(f"units: systemd takes {name}", verify(name, one["units"]) + carry_out(name, one["rules"]))
report("units: builds are kept as long as is written", builds_expire(made["collected"]["rules"]))
sys.exit(failed)

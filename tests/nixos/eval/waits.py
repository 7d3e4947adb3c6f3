"""Whether every scenario waits for a machine before it asks it anything: virtual machines are started, not up, when it begins.
An answer that comes too early fails; one that should not come "passes" for want of a network."""

import pathlib
import re
import sys

scenarios = pathlib.Path(__file__).parent.parent / "scenarios"
common = (scenarios / "common.py").read_text()
WAITS = r"\.wait_(until_succeeds|for_unit|for_open_port)\("


def split(text):
    """Bodies of functions by name, and the lines outside of them."""
    functions, lines, current = {}, [], None
    for line in text.splitlines():
        start = re.match(r"def (\w+)", line)
        if start:
            current = functions.setdefault(start[1], [])
        elif current is not None and (not line or line.startswith(" ")):
            current.append(line)
        else:
            current = None
            lines.append(line)
    return functions, lines


def waits(machine, line, functions):
    if re.search(rf"\b{machine}{WAITS}", line):
        return True
    called = re.search(rf"\b(\w+)\({machine}\b", line)
    first = next((body for body in functions.get(called[1], []) if re.search(r"machine\.", body)), "") if called else ""
    return bool(re.search(rf"\bmachine{WAITS}", first))


failed = False
for file in sorted(scenarios.glob("*.py")):
    if file.name == "common.py":
        continue
    functions, lines = split(file.read_text())
    functions = {**split(common)[0], **functions}
    for machine in ["acme", "cache", "client"]:
        uses = [line for line in lines if re.search(rf"\b{machine}\.\w+\(|\({machine}[,)]", re.sub(r"#.*", "", line))]
        if uses and not waits(machine, uses[0], functions):
            print(f"{file.name}: {machine} is asked before it is waited for: {uses[0].strip()}")
            failed = True
sys.exit(failed)

"""What the interpreter of the app says of itself and of what is installed for it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import msgspec

from ....bindings.errors import FunchostError
from ...configuration import Configuration

#: Seconds that an interpreter may take.
_LIMIT = 12.0

#: Run by any Python 3. Packages are looked for where a worker looks for them: not in the folder it is started in.
_CODE = """
import json, os, platform, sys
sys.path = [each for each in sys.path if each]
packages = os.path.join(sys.argv[1], ".python_packages", "lib", "site-packages")
if os.path.isdir(packages):
    sys.path.insert(0, packages)
from importlib import metadata
found = {}
for each in metadata.distributions():
    name = each.metadata["Name"]
    if name and name.lower() not in found:
        found[name.lower()] = {"name": name, "version": each.version or "", "requires": each.requires or []}
release = "%d.%d.%d" % sys.version_info[:3]
print(json.dumps({
    "version": release,
    "implementation": platform.python_implementation(),
    "machine": platform.machine(),
    "bits": 64 if sys.maxsize > 2**32 else 32,
    "modules": sorted(getattr(sys, "stdlib_module_names", ())),
    "packages": list(found.values()),
    "markers": {
        "implementation_name": sys.implementation.name,
        "implementation_version": release,
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": platform.python_version(),
        "python_version": "%d.%d" % sys.version_info[:2],
        "sys_platform": sys.platform,
    },
}))
"""


class Package(msgspec.Struct, frozen=True):
    """A package that is installed."""

    name: str
    version: str
    #: What it needs, each as in a requirements file.
    requires: list[str]


class Environment(msgspec.Struct, frozen=True):
    """What code of the app runs in."""

    version: str
    implementation: str
    machine: str
    bits: int
    #: The names of the standard library's modules.
    modules: list[str]
    packages: list[Package]
    #: What the markers of requirements are compared with.
    markers: dict[str, str]

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers."""
        return tuple(int(part) for part in self.version.split("."))


def environment_of(configuration: Configuration) -> Environment:
    """Ask the app's interpreter. Raises `FunchostError` where it does not answer."""
    python, root = configuration.python, configuration.root
    try:
        done = subprocess.run(
            [python, "-c", _CODE, str(root)],
            capture_output=True,
            timeout=_LIMIT,
            check=False,
            cwd=Path(os.sep),
            env=dict(configuration.worker_settings.environment),
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise FunchostError(f"{python} cannot be started: {error.strerror}.") from error
    except subprocess.TimeoutExpired:
        raise FunchostError(f"{python} did not answer within {_LIMIT:g} s.") from None
    try:
        # Whatever a sitecustomize prints comes before.
        return msgspec.json.decode(done.stdout.splitlines()[-1], type=Environment)
    except (msgspec.MsgspecError, IndexError):
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise FunchostError(
            f"{python} does not work: {said[-1] if said else f'it ended with code {done.returncode}'}."
        ) from None

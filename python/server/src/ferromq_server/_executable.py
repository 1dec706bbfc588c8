"""Where the executable ``ferromq`` is.

An installer puts it among the scripts of the environment. Which folder that is depends on how the package was installed: into
an environment, for one user, or into a folder of its own (``pip install --target``).
"""

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

_NAME = "ferromq.exe" if os.name == "nt" else "ferromq"


def executable() -> Path:
    """The path of ``ferromq``: what the environment variable ``FERROMQ_BIN`` names, else the one installed with this
    package, else the one on the PATH.

    Raises:
        FileNotFoundError: there is none; the message names the places that were looked at.
    """
    named = os.environ.get("FERROMQ_BIN")
    if named:
        if not os.access(named, os.X_OK):
            raise FileNotFoundError(f"FERROMQ_BIN is {named}, which is not an executable file")
        return Path(named)
    folders = list(dict.fromkeys(_folders()))
    for folder in folders:
        path = folder / _NAME
        if path.is_file():
            return path
    on_path = shutil.which("ferromq")
    if on_path is not None:
        return Path(on_path)
    looked = ", ".join(map(str, folders))
    raise FileNotFoundError(f"there is no {_NAME} in {looked}, nor on the PATH: install ferromq-server again")


def _folders() -> Iterator[Path]:
    yield Path(sysconfig.get_path("scripts"))
    # `pip install --prefix` and `--target`: beside the packages or above them.
    packages = Path(__file__).resolve().parent.parent
    yield packages / "bin"
    yield packages.parent.parent.parent / "bin"
    yield Path(sysconfig.get_path("scripts", scheme=sysconfig.get_preferred_scheme("user")))
    yield Path(sys.executable).parent

"""``python -m ferromq_server ...`` is ``ferromq ...``, for environments whose scripts are not on the PATH."""

import os
import subprocess
import sys

from ._executable import executable


def main() -> int:
    command = [str(executable()), *sys.argv[1:]]
    if os.name == "posix":
        os.execv(command[0], command)
    return subprocess.call(command)


if __name__ == "__main__":
    sys.exit(main())

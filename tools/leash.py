"""Runs a Python program that ends with the process that started it: `leash.py PROGRAM ARGUMENT…`.

However that process ends, `kill -9` included, the other end of our standard input closes then.
"""

import os
import runpy
import sys
import threading


def main() -> None:
    """Run the program as `python PROGRAM ARGUMENT…` would."""
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    del sys.argv[0]
    sys.path[0] = os.path.dirname(sys.argv[0])
    runpy.run_path(sys.argv[0], run_name="__main__")


def _end_with_stdin() -> None:
    # Not through sys.stdin, whose lock a thread must not hold while Python shuts down.
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()

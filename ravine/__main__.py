"""Run the command line: the command `ravine`, or `python -m ravine`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C gives status 130 without a traceback, also while modules are imported."""
    try:
        from ravine.cli import main as run

        run()
    except KeyboardInterrupt:
        from ravine.console import stopped

        sys.exit(stopped())


if __name__ == "__main__":
    main()

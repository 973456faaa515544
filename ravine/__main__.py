"""Run the command line: the command `ravine`, or `python -m ravine`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while its modules are imported gives status 130 without a traceback."""
    try:
        from ravine.cli import main as run

        run()
    except KeyboardInterrupt:
        print("\nravine: stopped", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()

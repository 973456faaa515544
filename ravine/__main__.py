"""Run the command line as `python -m ravine`."""

from ravine.cli import main

main()

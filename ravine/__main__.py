"""`python -m ravine` is the command line, too."""

from ravine import main

main()

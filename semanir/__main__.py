"""`python -m semanir` is the command `semanir`."""

from semanir.cli import main

if __name__ == "__main__":
    main()

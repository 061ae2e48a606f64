"""`python -m ganworks`."""

from ganworks.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())

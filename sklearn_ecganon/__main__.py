"""Run ``python -m sklearn_ecganon``."""

from sklearn_ecganon.cli import main

if __name__ == "__main__":
    raise SystemExit(main())

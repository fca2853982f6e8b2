"""``python -m featdyn_core`` is the command ``featdyn``."""

from featdyn_core.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())

"""The command line: `nifconv convert`, `inspect`, `bake`, `export`, `bench` and `doctor`."""

from __future__ import annotations


def main() -> None:
    """Runs the command line; the console script `nifconv`.

    Raises:
        SystemExit: always, with the exit status, or with what to install.
    """
    try:
        from nifconv.cli._app import app  # here, so that a missing extra is one line and not a traceback
    except ImportError as error:
        raise SystemExit(f"the command line needs {error.name}; install it with: pip install 'nifconv[cli]'") from error
    app(prog_name="nifconv")

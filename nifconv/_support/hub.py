"""The Hugging Face Hub: fetching the file of a repository by its address."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

FILE = "model.safetensors"
"""Name of the file in a repository or folder, by the convention of huggingface_hub."""
_SCHEME = "hf:"
PREFIX = f"{_SCHEME}//"
_ADDRESS = re.compile(rf"{PREFIX}([^/@\s]+/[^/@\s]+)(?:@(\S+))?")


def fetched(path: str | Path, *, revision: str | None = None, token: str | bool | None = None) -> Path:
    """The file at an address on the Hub, in huggingface_hub's cache; any other path is returned unchanged.

    Only this one file is fetched, and none of the code that a repository may hold.

    Args:
        path: "hf://owner/name", or "hf://owner/name@revision"; or a path.
        revision: branch, tag or commit, if the address gives none; the main branch by default.
        token: by default that of `hf auth login` or of the variable HF_TOKEN.

    Raises:
        FileNotFoundError: the file cannot be fetched.
        ValueError: the address is malformed, `revision` is given twice, or `revision` or `token` is given for a path.
        ImportError: huggingface_hub is not installed.
    """
    if isinstance(path, Path) and path.parts[:1] == (_SCHEME,):
        path = PREFIX + "/".join(path.parts[1:])  # Path turns two slashes into one
    if not str(path).startswith(PREFIX):
        for name, value in (("revision", revision), ("token", token and "...")):  # a token is never shown
            if value:
                raise ValueError(
                    f"{name}={value!r} has no meaning for {str(path)!r}; give hf://owner/name, or leave it out"
                )
        return Path(path)
    address = _ADDRESS.fullmatch(str(path))
    if address is None:
        raise ValueError(f"{path!r} is not an address on the Hub; write hf://owner/name or hf://owner/name@revision")
    if revision and address[2]:
        raise ValueError(f"{path!r} and revision={revision!r} give the revision twice; leave one of them out")
    hub = required(str(path))
    try:
        return Path(hub.hf_hub_download(address[1], FILE, revision=address[2] or revision, token=token))
    except (OSError, ValueError) as error:  # no such repository, revision or file; no connection; no permission
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise FileNotFoundError(
            f"{str(path)!r} could not be fetched: {reason}; check its name and revision, that it holds {FILE}, "
            "and if it is private, log in with: hf auth login"
        ) from error


def required(what: str) -> Any:
    """The package huggingface_hub.

    Raises:
        ImportError: it is not installed; the message says what needs it and what to install.
    """
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(f"{what} needs huggingface_hub; install it with: pip install 'nifconv[hub]'") from error
    return huggingface_hub

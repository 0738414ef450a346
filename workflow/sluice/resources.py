"""Where the shipped files are: the checkout's own, or the copies that the wheel carries."""

from __future__ import annotations

from pathlib import Path

from sluice.errors import SluiceError

_PACKAGE = Path(__file__).resolve().parent


def shipped(package: Path = _PACKAGE) -> Path:
    """Return the folder that holds ``Snakefile``, ``config/``, ``profiles/``, ``resources/``,
    ``workflow/`` and ``envs/requirements.txt``.

    Parameters
    ----------
    package
        Folder of the package ``sluice``: of a checkout (``workflow/sluice``) or an installed wheel.
    """
    packed = package / "_shipped"
    return packed if packed.is_dir() else package.parents[1]


def resource(*parts: str) -> Path:
    """Return a file or folder of ``resources/``, e.g. ``resource("genes", "sets.gmt")``.

    Raises
    ------
    SluiceError
        If this installation does not carry it.
    """
    path = shipped() / "resources" / Path(*parts)
    if not path.exists():
        raise SluiceError(
            "A file that Sluice ships is missing",
            where="resources/" + "/".join(parts),
            mend="install Sluice again, or restore the file with git",
        )
    return path

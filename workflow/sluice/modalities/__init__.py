"""Adapters: one package a modality, one module a function (see docs/architecture.md)."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from sluice.errors import SluiceError


def load(modality: str, name: str) -> Callable[..., Any]:
    """Return the adapter's function ``name``.

    Only the module of that name is imported, so that a stage's code digest covers exactly what
    the stage runs.

    Raises
    ------
    SluiceError
        If no adapter has that name.
    """
    try:
        module = import_module(f"sluice.modalities.{modality}.{name}")
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith(f"sluice.modalities.{modality}"):
            raise SluiceError(
                "There is no adapter for a modality of the cohort",
                where=f"modality {modality}, function {name}",
                mend="see CONTRIBUTING.md on adding one",
            ) from None
        raise
    return getattr(module, name)

"""One row a person out of one row an instance: what all headers of a person tell together."""

from __future__ import annotations

import pandas as pd

from sluice.modalities.shared.earliest import earliest
from sluice.modalities.shared.told import binned, joined, magnitude

_MACHINE = ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "StationName")


def studies(instances: pd.DataFrame) -> pd.Series:
    """Return each subject's number of studies: ``1``, ``2`` or ``3+``."""
    return binned(instances.groupby("subject")["study"].nunique())


def beyond(instances: pd.DataFrame, most: int | None) -> list[str]:
    """Return the studies that a tier with so many a person leaves out: the later ones."""
    starts = instances.groupby(["subject", "study"])["date"].min().to_frame().reset_index()
    return sorted(starts.loc[~earliest(starts, most, "date", "study"), "study"])


def told(instances: pd.DataFrame, headers: pd.DataFrame) -> pd.DataFrame:
    """Return what images tell of a person, one row each: how much, of what, from which machines.

    Parameters
    ----------
    instances
        ``subject`` and ``study`` of each object.
    headers
        The same rows, columns as :func:`sluice.modalities.imaging.headers.wide_table` gives them.
    """
    subjects = instances["subject"].reset_index(drop=True)
    headers = headers.reset_index(drop=True)
    parts = headers[list(_MACHINE)].fillna("").astype(str).to_numpy()
    machine = pd.Series([" ".join(filter(None, row)) or None for row in parts], dtype=object)
    columns = {
        "studies": studies(instances),
        "objects": magnitude(subjects.groupby(subjects).size()),
        "image_modality": joined(subjects, headers["kind"]),
        "region": joined(subjects, headers["region"]),
        "device": joined(subjects, machine),
    }
    return pd.DataFrame(columns).rename_axis("subject").sort_index().astype(object)


def header_profile(instances: pd.DataFrame, headers: pd.DataFrame) -> pd.DataFrame:
    """Return what somebody who knows a person's examinations could compare, one row a person.

    Parameters
    ----------
    instances
        ``subject`` and ``study`` of each object.
    headers
        The same rows, columns as :func:`sluice.modalities.imaging.headers.wide_table` gives them.

    Returns
    -------
    DataFrame
        Index ``subject``; sex, age in years, height and weight, and of all objects together imaging
        modality, region, manufacturer, model, device and station, and how much there is.
    """
    subjects = instances["subject"].reset_index(drop=True)
    headers = headers.reset_index(drop=True)
    height = pd.to_numeric(headers["PatientSize"], errors="coerce") * 100
    weight = pd.to_numeric(headers["PatientWeight"], errors="coerce")
    years = headers["PatientAge"].map(_years, na_action="ignore").astype(float)
    columns = {
        "sex": headers["PatientSex"].groupby(subjects).first(),
        "age": years.groupby(subjects).min(),
        "height": height.round().groupby(subjects).max(),
        "weight": weight.round().groupby(subjects).max(),
        "studies": studies(instances),
        "objects": magnitude(subjects.groupby(subjects).size()),
    }
    for name, column in {
        "image_modality": "kind",
        "region": "region",
        "manufacturer": "Manufacturer",
        "model": "ManufacturerModelName",
        "device": "DeviceSerialNumber",
        "station": "StationName",
    }.items():
        columns[name] = joined(subjects, headers[column])
    return pd.DataFrame(columns).rename_axis("subject").sort_index()


def _years(text: str) -> float:
    """Return whole years of an AS value; below a year, 0; what is no age, missing."""
    digits, unit = text[:3], text[3:]
    if not digits.isdigit() or unit not in ("D", "W", "M", "Y"):
        return float("nan")
    return float(digits) // {"D": 365, "W": 52, "M": 12, "Y": 1}[unit]

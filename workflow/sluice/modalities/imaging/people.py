"""One row a person out of one row an instance: what all headers of a person tell together."""

from __future__ import annotations

import pandas as pd

_MOST_STUDIES = 3


def studies(instances: pd.DataFrame) -> pd.Series:
    """Return each subject's number of studies: ``1``, ``2`` or ``3+``."""
    counts = instances.groupby("subject")["study"].nunique()
    return counts.map(lambda n: str(n) if n < _MOST_STUDIES else f"{_MOST_STUDIES}+").astype(object)


def joined(subjects: pd.Series, values: pd.Series) -> pd.Series:
    """Return all the values that occur for each subject, sorted and joined by ``+``."""
    table = pd.DataFrame({"subject": subjects.to_numpy(), "value": values.to_numpy()}).dropna()
    return table.groupby("subject")["value"].agg(lambda found: "+".join(sorted(set(found))))


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
        "objects": subjects.groupby(subjects).size().map(lambda n: str(len(str(n)))),
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

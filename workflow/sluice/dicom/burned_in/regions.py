"""What lies outside the regions of an ultrasound image: names, dates, scales."""

from __future__ import annotations

import itertools

from pydicom.dataset import Dataset

from sluice.dicom.burned_in.find import Box

_CORNERS = (
    *("RegionLocationMinY0", "RegionLocationMinX0"),
    *("RegionLocationMaxY1", "RegionLocationMaxX1"),
)


def outside_regions(dataset: Dataset, rows: int, columns: int) -> tuple[Box, ...]:
    """Return boxes that cover all pixels outside the ultrasound regions (PS3.3 C.8.5.5).

    Nothing is returned for an object without regions. A region that is not told in full covers
    nothing.
    """
    items = dataset.get("SequenceOfUltrasoundRegions")
    if not items:
        return ()
    told = [[item.get(corner) for corner in _CORNERS] for item in items]
    regions = [
        Box(max(0, top), max(0, left), min(rows, bottom + 1), min(columns, right + 1))
        for top, left, bottom, right in (corners for corners in told if None not in corners)
    ]
    cuts = sorted({0, rows, *(r.top for r in regions), *(r.bottom for r in regions)})
    bands = [(a, b) for a, b in itertools.pairwise(cuts) if 0 <= a < b <= rows]
    return tuple(
        Box(top, left, bottom, right)
        for top, bottom in bands
        for left, right in _gaps(
            [(r.left, r.right) for r in regions if r.top <= top and r.bottom >= bottom], columns
        )
    )


def _gaps(covered: list[tuple[int, int]], width: int) -> list[tuple[int, int]]:
    """Return the parts of a row that no interval covers."""
    gaps, reached = [], 0
    for left, right in sorted(covered):
        if left > reached:
            gaps.append((reached, left))
        reached = max(reached, right)
    return [*gaps, (reached, width)] if reached < width else gaps

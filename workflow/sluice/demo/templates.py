"""Pixels and acquisition facts, taken from the images that pydicom's wheel carries."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from scipy import ndimage

from sluice.errors import SluiceError

_NOISE = 12  # standard deviation of what is added, in stored values
_FACTS = (
    "SliceThickness",
    "KVP",
    "ScanningSequence",
    "SequenceVariant",
    "ScanOptions",
    "MRAcquisitionType",
    "RepetitionTime",
    "EchoTime",
    "FlipAngle",
    "MagneticFieldStrength",
    "ImagingFrequency",
    "ImagedNucleus",
    "EchoTrainLength",
    "ExposureTime",
    "XRayTubeCurrent",
    "Exposure",
    "ConvolutionKernel",
    "GantryDetectorTilt",
    "DataCollectionDiameter",
    "ReconstructionDiameter",
    "ImageOrientationPatient",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleIntercept",
    "RescaleSlope",
)


@dataclass(frozen=True)
class Template:
    """An image to make others from: rows × columns (× 3) of stored values, and its facts."""

    pixels: np.ndarray
    facts: Dataset
    spacing: float


@cache
def template(name: str) -> Template:
    """Read one of pydicom's bundled images; nothing of its own header but physics is kept."""
    path = get_testdata_file(f"{name}.dcm", download=False)
    if path is None:
        raise SluiceError(
            "An image that pydicom ships is missing", where=name, mend="install pydicom 3 again"
        )
    source = pydicom.dcmread(str(path))
    facts = Dataset()
    for keyword in _FACTS:
        if keyword in source and source[keyword].value not in (None, ""):
            facts[keyword] = source[keyword]
    spacing = float(source.PixelSpacing[0]) if "PixelSpacing" in source else 1.0
    return Template(source.pixel_array, facts, spacing)


def put_image(
    into: Dataset,
    name: str,
    size: int,
    slice_number: int,
    as_scanned: bool,
    rng: np.random.Generator,
) -> None:
    """Give an object pixels like those of a bundled image, of its own size and noise.

    Parameters
    ----------
    into
        The object that is being built.
    name
        The bundled image, e.g. ``CT_small``.
    size
        Rows and columns.
    slice_number
        Place of the slice in its series, counted from 0.
    as_scanned
        Whether the facts of the scanner and the place in the body come along.
    """
    chosen = template(name)
    zoom = chosen.pixels.shape[0] / size
    sides = [size / side for side in chosen.pixels.shape[:2]] + [1.0] * (chosen.pixels.ndim - 2)
    pixels = ndimage.zoom(chosen.pixels.astype(np.float64), sides, order=1)
    noisy = np.rint(pixels + rng.normal(0, _NOISE, pixels.shape))
    noisy = np.clip(noisy, chosen.pixels.min(), chosen.pixels.max())
    for fact in chosen.facts:
        if as_scanned or fact.tag.group == 0x0028:
            into[fact.tag] = fact
    into.Rows, into.Columns = pixels.shape[:2]
    if as_scanned:
        spacing = round(chosen.spacing * zoom, 5)
        into.PixelSpacing = [spacing, spacing]
        into.ImagePositionPatient = [-158.1, -179.0, round(-75.7 - 5.0 * slice_number, 1)]
        into.SliceLocation = round(-75.7 - 5.0 * slice_number, 1)
    store(into, noisy.astype(chosen.pixels.dtype))


def store(into: Dataset, pixels: np.ndarray) -> None:
    """Store values as uncompressed pixel data."""
    into.add_new("PixelData", "OB" if pixels.dtype.itemsize == 1 else "OW", pixels.tobytes())


def burn_in(into: Dataset, text: str) -> None:
    """Draw a line of text into the upper left of an uncompressed one-channel image."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, columns = int(into.Rows), int(into.Columns)
    figure = Figure(figsize=(columns / 100, rows / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    figure.text(0.02, 0.9, text, fontsize=9, family="DejaVu Sans Mono")
    canvas.draw()
    ink = np.asarray(canvas.buffer_rgba())[:rows, :columns, 0] < 128
    kind = np.dtype(f"{'i' if into.PixelRepresentation else 'u'}{into.BitsAllocated // 8}")
    pixels = np.frombuffer(into.PixelData, kind).reshape(rows, columns).copy()
    pixels[ink] = pixels.max()
    store(into, pixels)

"""Two small networks: where text is in a picture, and what a line of it reads.

The weights lie in the wheel of ``rapidocr`` (PP-OCRv6, Apache-2.0) and are run directly with
onnxruntime: nothing is downloaded, nothing is logged, one thread, the same input gives the same
output. A digest guards against other weights under the same name.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from sluice.errors import SluiceError

_FINDER = (
    "PP-OCRv6_det_small.onnx",
    "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
)
_READER = (
    "PP-OCRv6_rec_small.onnx",
    "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
)
_STRIDE = 32  # the finder takes sides that are a multiple of it
_LINE_HEIGHT = 48  # the reader takes lines of this height
_SHORTEST_LINE, _LONGEST_LINE = 48, 1600


@dataclass(frozen=True)
class Reading:
    """What the reader made of a line: its letters and digits, and their mean probability (0 to 1).

    It may be a name: a reading is compared with others, then dropped.
    """

    letters: str
    confidence: float


NOTHING = Reading("", 0.0)


def text_map(picture: np.ndarray, scale: float) -> np.ndarray:
    """Return for every pixel how likely it lies in the core of a line of text.

    Parameters
    ----------
    picture
        Grey, 0 to 255, (rows, columns).
    scale
        Enlargement before looking. Letters should come out 12 to 100 pixels high.

    Returns
    -------
    numpy.ndarray
        Probabilities, (rows, columns).
    """
    rows, columns = picture.shape
    size = [max(_STRIDE, round(side * scale / _STRIDE) * _STRIDE) for side in (columns, rows)]
    way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    resized = cv2.resize(picture.astype(np.float32), size, interpolation=way)
    found = _run(_FINDER, np.repeat(_centred(resized)[None, None], 3, axis=1))
    return cv2.resize(found[0, 0], (columns, rows))


def read_line(line: np.ndarray) -> Reading:
    """Read one horizontal line of text, grey, 0 to 255, (rows, columns)."""
    rows, columns = line.shape
    width = int(np.clip(round(columns * _LINE_HEIGHT / rows), _SHORTEST_LINE, _LONGEST_LINE))
    resized = cv2.resize(line.astype(np.float32), (width, _LINE_HEIGHT))
    steps = _run(_READER, np.repeat(_centred(resized)[None, None], 3, axis=1))[0]
    best = steps.argmax(axis=1)
    # Connectionist temporal classification: a symbol repeated without a blank (0) between is one.
    starts = (best != 0) & (best != np.concatenate([[0], best[:-1]]))
    symbols = _symbols()
    read = [at for at in np.flatnonzero(starts) if symbols[best[at]].isalnum()]
    if not read:
        return NOTHING
    letters = "".join(symbols[best[at]] for at in read)
    return Reading(letters, float(np.mean(steps[read, best[read]])))


def _centred(picture: np.ndarray) -> np.ndarray:
    return np.clip(picture, 0, 255) / 127.5 - 1


def _run(weights: tuple[str, str], planes: np.ndarray) -> np.ndarray:
    session = _session(weights)
    return session.run(None, {session.get_inputs()[0].name: planes.astype(np.float32)})[0]


@cache
def _symbols() -> tuple[str, ...]:
    listed = _session(_READER).get_modelmeta().custom_metadata_map["character"].splitlines()
    return ("", *listed, " ")


@cache
def _session(weights: tuple[str, str]) -> onnxruntime.InferenceSession:
    name, digest = weights
    package = find_spec("rapidocr")
    path = Path(package.origin).parent / "models" / name if package and package.origin else None
    if not path or not path.is_file() or _digest(path) != digest:
        raise SluiceError(
            "The weights that read burned-in text are missing or not the ones that were tested",
            where=f"rapidocr/models/{name}",
            mend="install the locked version of rapidocr",
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.use_deterministic_compute = True
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

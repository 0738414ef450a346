"""An archive by DICOMweb (PS3.18): QIDO-RS finds, WADO-RS fetches, STOW-RS stores."""

from __future__ import annotations

import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import requests
from dicomweb_client import DICOMwebClient
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import DeflatedExplicitVRLittleEndian
from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS

from sluice.config.pacs import Dicomweb
from sluice.dicom.pacs.archive import (
    Instance,
    Keep,
    Listing,
    RefusedError,
    Study,
    UnreachableError,
    checked_uid,
    quiet,
)
from sluice.dicom.pacs.worklist import Key
from sluice.dicom.reader import UNREADABLE
from sluice.errors import SluiceError
from sluice.identity import refuse_shared

_KEYWORDS: dict[Key, str] = {"accession": "AccessionNumber", "patient": "PatientID"}
_PAGE = 1000
_CHUNK = 1 << 15  # bytes; an object is kept as soon as it is there
_TIMEOUT = (10, 120)  # seconds: to connect, and without a byte
_AS_STORED = (("application/dicom", "*"),)
# Statuses that pass: PS3.18 10.1, RFC 9110.
_LATER = (408, 429, 502, 503, 504)
_NO_DICOM = (InvalidDicomError, zlib.error, *UNREADABLE)

Answer = dict[str, Any]


class WebArchive:
    """An archive spoken to by DICOMweb.

    Raises
    ------
    SluiceError
        If a file with a secret is missing, or can be read by others.
    """

    def __init__(self, section: Dicomweb) -> None:
        for library in ("dicomweb_client", "retrying", "urllib3"):
            quiet(library)
        self._has_length = False
        session = requests.Session()
        # No proxy, certificates or passwords from the environment: they are meant for the web.
        session.trust_env = False
        session.headers["Accept"] = "application/dicom+json"
        session.auth = _credentials(section)
        if section.ca_file:
            if not section.ca_file.is_file():
                raise SluiceError("There is no such file", where="dicomweb.ca_file")
            session.verify = str(section.ca_file)
        self._client = DICOMwebClient(
            section.url.rstrip("/"),
            session=session,
            callback=self._note,
            chunk_size=_CHUNK,
            permissive_uid=True,
            timeout=_TIMEOUT,
        )
        self._client.set_http_retry_params(retry=False)

    def find(self, key: Key, value: str) -> list[Study]:
        """Return the studies that the archive finds for an accession or patient number."""
        found = self._pages(
            self._client.search_for_studies,
            "0020000D",
            search_filters={_KEYWORDS[key]: value},
            fields=["AccessionNumber", "PatientID", "IssuerOfPatientID"],
        )
        return [
            Study(
                uid=uid,
                accession=_text(answer, "00080050"),
                patient=_text(answer, "00100020"),
                issuer=_text(answer, "00100021"),
            )
            for uid, answer in found.items()
        ]

    def listing(self, study: str) -> Listing:
        """Return what the archive holds of a study now."""
        studies = self._pages(
            self._client.search_for_studies,
            "0020000D",
            search_filters={"StudyInstanceUID": study},
            fields=["NumberOfStudyRelatedInstances"],
        )
        declared = _text(studies.get(study, {}), "00201208")
        found = self._pages(
            self._client.search_for_instances,
            "00080018",
            study_instance_uid=study,
            fields=["SeriesInstanceUID"],
        )
        instances = [
            Instance(study, checked_uid(_text(answer, "0020000E")), uid, _text(answer, "00080016"))
            for uid, answer in found.items()
        ]
        return Listing(tuple(instances), int(declared) if declared.isdigit() else 0)

    def fetch(self, wanted: Sequence[Instance], keep: Keep, whole: bool) -> Counter[str]:
        """Hand each wanted object of one series to ``keep``: a whole series at once, else singly.

        What does not come with its series is asked for by itself.
        """
        failures: Counter[str] = Counter()
        lacking = {instance.uid: instance for instance in wanted}
        if whole:
            with suppress(RefusedError):
                self._series(lacking, keep)
        for instance in list(lacking.values()):
            try:
                self._single(instance, keep)
            except RefusedError as refusal:
                failures[refusal.reason] += 1
        return failures

    def store(self, files: Sequence[Path]) -> Counter[str]:
        """Store files; return how many the archive says it did not take, by reason."""
        datasets = [pydicom.dcmread(file) for file in files]
        # In one piece, with a length: not every service takes a request in chunks.
        self._client.set_chunk_size(sys.maxsize)
        with _translated():
            try:
                answer = self._client.store_instances(datasets)
            except requests.HTTPError as error:
                if error.response is None or error.response.status_code != 409:
                    raise
                # None was stored, and the answer says why (PS3.18 10.5.3).
                answer = Dataset.from_json(error.response.json())
            return Counter(_why(item) for item in answer.get("FailedSOPSequence") or [])

    def _pages(
        self, search: Callable[..., list[Answer]], tag: str, **asked: Any
    ) -> dict[str, Answer]:
        """Search page by page until one brings nothing new; return the answers by their UID."""
        found: dict[str, Answer] = {}
        fresh = 1
        while fresh:
            with _translated():
                page = search(limit=_PAGE, offset=len(found), **asked)
                answers = {checked_uid(_text(answer, tag)): answer for answer in page}
            fresh = len(answers.keys() - found.keys())
            found |= answers
        return found

    def _series(self, lacking: dict[str, Instance], keep: Keep) -> None:
        first = next(iter(lacking.values()))
        previous: Dataset | None = None
        with _translated():
            for dataset in self._client.iter_series(
                first.study, first.series, media_types=_AS_STORED
            ):
                # Of an answer without a length, an object is whole if another follows it.
                whole = dataset if self._has_length else previous
                previous = dataset
                if whole is not None and _uid(whole) in lacking:
                    keep(lacking[_uid(whole)], _bytes(whole))
                    del lacking[_uid(whole)]

    def _single(self, instance: Instance, keep: Keep) -> None:
        with _translated():
            dataset = self._client.retrieve_instance(
                instance.study, instance.series, instance.uid, media_types=_AS_STORED
            )
            if not self._has_length:
                raise RefusedError("an answer that does not tell its length")
            if _uid(dataset) != instance.uid:
                raise RefusedError("another object was sent")
            keep(instance, _bytes(dataset))

    def _note(self, response: requests.Response, *_: object, **__: object) -> None:
        """Note whether an answer says where it ends: if not, one that was cut short looks whole."""
        names = ("Content-Length", "Transfer-Encoding")
        self._has_length = any(name in response.headers for name in names)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what the libraries raise into our errors: their texts hold addresses with UIDs."""
    try:
        yield
    except requests.HTTPError as error:
        raise _refusal(0 if error.response is None else error.response.status_code) from None
    except requests.exceptions.SSLError:
        raise SluiceError(
            "The PACS's certificate is not trusted",
            where="dicomweb.ca_file",
            mend="name the certificates of those who issued it",
        ) from None
    except (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
    ):
        raise UnreachableError(
            "No connection to the PACS, or it broke",
            where="dicomweb.url",
            mend="check address and port, and that the PACS runs",
        ) from None
    except _NO_DICOM:
        raise RefusedError(
            "an answer that is no DICOM", "check that dicomweb.url is right"
        ) from None


def _refusal(status: int) -> SluiceError:
    if status in (401, 403):
        return SluiceError(
            f"The PACS does not let us in (HTTP {status})",
            where="dicomweb.user or dicomweb.token_file",
            mend="check the user and the file with the secret",
        )
    if status in _LATER:
        return UnreachableError(f"The PACS is busy (HTTP {status})", mend="try again later")
    mend = "check that dicomweb.url is the root of its DICOMweb service" if status == 404 else ""
    return RefusedError(f"HTTP {status}", mend or "ask those who run the PACS")


def _uid(dataset: Dataset) -> str:
    return str(dataset.get("SOPInstanceUID"))


def _bytes(dataset: Dataset) -> bytes:
    """Return an object as it was sent."""
    assert isinstance(dataset, FileDataset)
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if isinstance(dataset.buffer, BytesIO) and syntax != DeflatedExplicitVRLittleEndian:
        return dataset.buffer.getvalue()
    stream = BytesIO()  # pydicom has kept only the inflated data
    pydicom.dcmwrite(stream, dataset)
    return stream.getvalue()


def _text(answer: Answer, tag: str) -> str:
    """Return the first value of an attribute in DICOM JSON (PS3.18 F.2)."""
    values = answer.get(tag, {}).get("Value") or [""]
    return "" if values[0] is None else str(values[0]).strip(" \0")


def _why(item: Dataset) -> str:
    code = int(item.get("FailureReason") or 0)
    meaning = STORAGE_SERVICE_CLASS_STATUS.get(code, ("", "unknown reason"))[1]
    return f"{meaning} (0x{code:04X})"


def _credentials(section: Dicomweb) -> Callable[[requests.PreparedRequest], Any] | None:
    if section.user is not None and section.password_file is not None:
        return requests.auth.HTTPBasicAuth(
            section.user.encode(), _secret(section.password_file, "password_file").encode()
        )
    if section.token_file is not None:
        token = _secret(section.token_file, "token_file")

        def bearer(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["Authorization"] = f"Bearer {token}"
            return request

        return bearer
    return None


def _secret(file: Path, key: str) -> str:
    if not file.exists():
        raise SluiceError("A file with a secret is missing", where=f"dicomweb.{key}")
    refuse_shared(file, key)
    secret = file.read_text(encoding="utf-8").strip()
    if not secret or not secret.isprintable():
        raise SluiceError("A file with a secret must hold it in one line", where=f"dicomweb.{key}")
    return secret

"""An archive by DIMSE: C-FIND and C-GET of the Study Root model (PS3.4 C.4).

C-GET brings the objects over the connection that asked for them, so that nothing has to listen
here and the archive needs no route to us (docs/decisions/0010-pacs.md).
"""

from __future__ import annotations

import socket
import ssl
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby

from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    MPEGTransferSyntaxes,
    RLETransferSyntaxes,
    UncompressedTransferSyntaxes,
)
from pynetdicom import AE, StoragePresentationContexts, build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import PresentationContext
from pynetdicom.status import QR_FIND_SERVICE_CLASS_STATUS, QR_GET_SERVICE_CLASS_STATUS

from sluice.config.pacs import Dimse, Tls
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
from sluice.errors import SluiceError
from sluice.identity import refuse_shared

# PS3.6 Annex A: Study Root Query/Retrieve Information Model - FIND and - GET.
_FIND = UID("1.2.840.10008.5.1.4.1.2.2.1")
_GET = UID("1.2.840.10008.5.1.4.1.2.2.3")
_KEYWORDS: dict[Key, str] = {"accession": "AccessionNumber", "patient": "PatientID"}
_PLAIN: list[str | UID] = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
_SYNTAXES = [
    *UncompressedTransferSyntaxes,
    *JPEGTransferSyntaxes,
    *JPEGLSTransferSyntaxes,
    *JPEG2000TransferSyntaxes,
    *RLETransferSyntaxes,
    *MPEGTransferSyntaxes,
]
_PENDING = (0xFF00, 0xFF01)
_OUT_OF_RESOURCES, _DONE = 0xA700, 0x0000
_BATCH = 100  # objects named in one request
_LARGEST_PDU = 1 << 17
# Seconds: to connect, to agree, and without a word while data are awaited.
_CONNECT, _AGREE, _SILENCE = 10, 30, 120
# PS3.8 Table 9-21: who rejects (source) and why (diagnostic).
_REJECTIONS = {
    (1, 3): ("does not know our AE title", "dimse.calling_ae"),
    (1, 7): ("does not go by the AE title that it was called", "dimse.called_ae"),
}


class DimseArchive:
    """An archive spoken to by C-FIND and C-GET, one association a step.

    Raises
    ------
    SluiceError
        If a file of the TLS section cannot be used.
    """

    def __init__(self, section: Dimse) -> None:
        quiet("pynetdicom")
        self._section = section
        self._tls = (_context(section.tls), section.host) if section.tls else None
        self._entity = AE(ae_title=section.calling_ae)
        self._entity.connection_timeout = _CONNECT
        self._entity.acse_timeout = _AGREE
        self._entity.dimse_timeout = self._entity.network_timeout = _SILENCE

    def find(self, key: Key, value: str) -> list[Study]:
        """Return the studies that the archive finds for an accession or patient number."""
        asked = dict.fromkeys(
            ("StudyInstanceUID", "AccessionNumber", "PatientID", "IssuerOfPatientID"), ""
        )
        asked[_KEYWORDS[key]] = value
        with self._association(_FIND) as association:
            answers = _answers(association, "STUDY", asked)
        return [
            Study(
                uid=checked_uid(_text(answer, "StudyInstanceUID")),
                accession=_text(answer, "AccessionNumber"),
                patient=_text(answer, "PatientID"),
                issuer=_text(answer, "IssuerOfPatientID"),
            )
            for answer in answers
        ]

    def listing(self, study: str) -> Listing:
        """Return what the archive holds of a study now."""
        with self._association(_FIND) as association:
            named = {"StudyInstanceUID": study}
            asked = named | {"NumberOfStudyRelatedInstances": ""}
            counts = [
                _text(answer, "NumberOfStudyRelatedInstances")
                for answer in _answers(association, "STUDY", asked)
            ]
            found = {}
            for answer in _answers(association, "SERIES", named | {"SeriesInstanceUID": ""}):
                series = checked_uid(_text(answer, "SeriesInstanceUID"))
                for instance in _instances(association, study, series):
                    found[instance.uid] = instance
        declared = max((int(count) for count in counts if count.isdigit()), default=0)
        return Listing(tuple(found.values()), declared)

    def fetch(self, wanted: Sequence[Instance], keep: Keep, whole: bool) -> Counter[str]:
        """Hand each wanted object of one series to ``keep``: in batches, then what lacks singly."""
        failures: Counter[str] = Counter()
        by_class = sorted(wanted, key=lambda instance: instance.sop_class)
        for sop_class, same in groupby(by_class, key=lambda instance: instance.sop_class):
            receiver = _Receiver(keep, same)
            with self._association(_GET, _storage(sop_class), receiver) as association:
                for batch in receiver.batches():
                    receiver.get(association, batch)
                    for instance in [i for i in batch if i.uid in receiver.lacking]:
                        reason = receiver.get(association, [instance])
                        failures[reason] += instance.uid in receiver.lacking
        return +failures

    @contextmanager
    def _association(
        self,
        service: UID,
        storage: Sequence[PresentationContext] = (),
        receiver: _Receiver | None = None,
    ) -> Iterator[Association]:
        opened: list[evt.Event] = []
        classes = dict.fromkeys(str(context.abstract_syntax) for context in storage)
        association = self._entity.associate(
            self._section.host,
            self._section.port,
            contexts=[build_context(service, _PLAIN), *storage],
            ae_title=self._section.called_ae,
            max_pdu=_LARGEST_PDU,
            ext_neg=[build_role(name, scp_role=True) for name in classes],
            tls_args=self._tls,
            evt_handlers=[
                (evt.EVT_CONN_OPEN, opened.append),
                (evt.EVT_CONN_OPEN, _without_delay),
                (evt.EVT_DATA_SENT, _without_delay),
                *([(evt.EVT_C_STORE, receiver.store)] if receiver else []),
            ],
        )
        if not association.is_established:
            raise _not_established(association, bool(opened))
        try:
            if service not in [c.abstract_syntax for c in association.accepted_contexts]:
                raise _not_offered()
            yield association
        except BaseException:
            association.abort()
            raise
        association.release()


class _Receiver:
    """Takes the objects that an archive sends while a C-GET runs."""

    def __init__(self, keep: Keep, wanted: Iterator[Instance]) -> None:
        self._keep = keep
        self.lacking = {instance.uid: instance for instance in wanted}
        self._trouble: OSError | None = None

    def batches(self) -> list[list[Instance]]:
        """Return what is wanted, so many at a time as one request may name."""
        wanted = list(self.lacking.values())
        return [wanted[at : at + _BATCH] for at in range(0, len(wanted), _BATCH)]

    def store(self, event: evt.Event) -> int:
        """Keep an object that was asked for (C-STORE, PS3.4 B.2.3); others are passed over."""
        assert isinstance(event.request, C_STORE)
        instance = self.lacking.get(str(event.request.AffectedSOPInstanceUID))
        if instance is None:
            return _DONE
        try:
            self._keep(instance, event.encoded_dataset())
        except OSError as error:
            # pynetdicom would swallow it; a full disk must end the command.
            self._trouble = error
            return _OUT_OF_RESOURCES
        del self.lacking[instance.uid]
        return _DONE

    def get(self, association: Association, instances: list[Instance]) -> str:
        """Ask for some objects of one series; return how the archive says it went."""
        identifier = _identifier(
            "IMAGE",
            {
                "StudyInstanceUID": instances[0].study,
                "SeriesInstanceUID": instances[0].series,
                "SOPInstanceUID": [instance.uid for instance in instances],
            },
        )
        outcome = "no answer"
        for status, _ in association.send_c_get(identifier, _GET):
            code = _code(status)
            outcome = _meaning(code, QR_GET_SERVICE_CLASS_STATUS)
        if self._trouble is not None:
            raise self._trouble
        return outcome


def _without_delay(event: evt.Event) -> None:
    """Send and acknowledge at once.

    A message is two short writes, here and in many archives. TCP would hold the second back
    until the first is acknowledged, and acknowledge after 40 ms: 25 small objects a second.
    """
    transport = event.assoc.dul.socket
    if transport is not None and transport.socket is not None:
        with suppress(OSError):
            for option in (socket.TCP_NODELAY, socket.TCP_QUICKACK):
                transport.socket.setsockopt(socket.IPPROTO_TCP, option, 1)


def _answers(association: Association, level: str, asked: Mapping[str, str]) -> list[Dataset]:
    """Return what the archive finds, without answers on another study than the one named."""
    found = []
    for status, answer in association.send_c_find(_identifier(level, asked), _FIND):
        code = _code(status)
        if code in _PENDING and answer is not None:
            found.append(answer)
        elif code not in (_DONE, *_PENDING):
            raise RefusedError(_meaning(code, QR_FIND_SERVICE_CLASS_STATUS))
    study = asked["StudyInstanceUID"]
    return [a for a in found if study in ("", _text(a, "StudyInstanceUID"))]


def _instances(association: Association, study: str, series: str) -> Iterator[Instance]:
    asked = {"StudyInstanceUID": study, "SeriesInstanceUID": series}
    asked |= {"SOPInstanceUID": "", "SOPClassUID": ""}
    for answer in _answers(association, "IMAGE", asked):
        sop_class = _text(answer, "SOPClassUID")
        yield Instance(
            study=study,
            series=series,
            uid=checked_uid(_text(answer, "SOPInstanceUID")),
            sop_class=checked_uid(sop_class) if sop_class else "",
        )


def _identifier(level: str, asked: Mapping[str, str | list[str]]) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    if not all(str(value).isascii() for value in asked.values()):
        identifier.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in asked.items():
        tag = tag_for_keyword(keyword)
        assert tag is not None, keyword
        # Archives hold numbers longer than their VR allows; pydicom would refuse to ask for them.
        element = DataElement(tag, dictionary_VR(tag), value, validation_mode=IGNORE)
        identifier.add(element)
    return identifier


def _storage(sop_class: str) -> list[PresentationContext]:
    """Offer to receive a class in any encoding, each in a context of its own: none is converted.

    Of an unknown class nothing can be said but that it is one of the common ones, uncompressed:
    a connection has room for 128 contexts (PS3.8 9.3.2.2).
    """
    if sop_class:
        return [build_context(sop_class, syntax) for syntax in _SYNTAXES]
    common = StoragePresentationContexts[:127]
    return [build_context(str(c.abstract_syntax), _PLAIN) for c in common]


def _text(answer: Dataset, keyword: str) -> str:
    value = answer.get(keyword)
    return "" if value is None else str(value).strip(" \0")


def _code(status: Dataset) -> int:
    if "Status" not in status:
        raise UnreachableError("The connection to the PACS ended in the middle", mend="try again")
    return int(status.Status)


def _meaning(code: int, known: Mapping[int, tuple[str, str]]) -> str:
    meaning = known.get(code, ("", "unknown status"))[1]
    return f"{meaning or 'said to be done'} (0x{code:04X})"


def _not_established(association: Association, opened: bool) -> SluiceError:
    answer = association.acceptor.primitive
    address = "dimse.host, dimse.port, dimse.tls"
    if association.is_rejected and answer is not None:
        why = (answer.result_source or 0, answer.diagnostic or 0)
        what, where = _REJECTIONS.get(why, ("", ""))
        if what:
            return SluiceError(
                f"The PACS {what}", where=where, mend="agree on it with those who run the PACS"
            )
        return UnreachableError("The PACS accepts no connection now", mend="try again later")
    if answer is not None:
        return _not_offered()
    if opened:
        return UnreachableError(
            "What answers at the PACS's address does not speak DICOM as it is spoken to",
            where=address,
            mend="check the port, and whether it wants TLS",
        )
    return UnreachableError(
        "No connection to the PACS", where=address, mend="check them, and that the PACS runs"
    )


def _not_offered() -> SluiceError:
    return SluiceError(
        "The PACS does not offer us a service that is needed (C-FIND and C-GET, Study Root)",
        where="dimse.calling_ae",
        mend="have it permitted for this AE title, or use dicomweb",
    )


def _context(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        if tls.cert_file and tls.key_file:
            refuse_shared(tls.key_file, "key file")
            context.load_cert_chain(tls.cert_file, tls.key_file)
    except OSError:
        raise SluiceError(
            "A certificate or key cannot be read", where="dimse.tls", mend="name PEM files"
        ) from None
    return context

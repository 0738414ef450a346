"""DIMSE nodes that tell less than they could, send less than they say, or cannot send."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage
from pynetdicom import AE, evt
from tests.dicom.pacs.web import OBJECTS, SERIES, UIDS
from tests.dicom.pacs.world import World, accession, content, made, number, study_uid
from tests.system.orthanc import AE as TITLE

FIND, GET = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.3"


class Node:
    """A DIMSE archive of two CTs and an MR, with habits of its own.

    ``classes``: whether it tells SOP classes. ``refuses``: what it does not send, and ``silent``:
    without saying so.
    """

    def __init__(
        self, classes: bool = True, refuses: tuple[str, ...] = (), silent: bool = False
    ) -> None:
        mr = content(made("MR_small_implicit.dcm", 0, 0, 0, 2))
        self.objects = {
            str(d.SOPInstanceUID): d
            for d in (pydicom.dcmread(BytesIO(raw)) for raw in [*OBJECTS[:2], mr])
        }
        self.classes, self.refuses, self.silent = classes, refuses, silent
        self.batches: list[int] = []

    def find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        asked = event.identifier
        uids = UIDS if asked.QueryRetrieveLevel == "IMAGE" else UIDS[:1]
        for uid in uids:
            answer = Dataset()
            answer.QueryRetrieveLevel = asked.QueryRetrieveLevel
            answer.StudyInstanceUID, answer.AccessionNumber = study_uid(0, 0), accession(0, 0)
            answer.PatientID, answer.SeriesInstanceUID = number(0), SERIES
            if asked.QueryRetrieveLevel == "IMAGE":
                answer.SOPInstanceUID = uid
                if self.classes:
                    answer.SOPClassUID = self.objects[uid].SOPClassUID
            yield 0xFF00, answer

    def get(self, event: evt.Event) -> Iterator[object]:
        uids = event.identifier.SOPInstanceUID
        wanted = [uids] if isinstance(uids, str) else list(uids)
        self.batches.append(len(wanted))
        sent = [self.objects[uid] for uid in wanted if uid not in self.refuses]
        yield len(sent) if self.silent else len(wanted)
        for dataset in sent:
            yield 0xFF00, dataset
        if len(sent) < len(wanted) and not self.silent:
            failed = Dataset()
            failed.FailedSOPInstanceUIDList = list(self.refuses)
            yield 0xA702, failed


@contextmanager
def node(habits: Node, gets: bool = True) -> Iterator[int]:
    """Run a node; give its port."""
    entity = AE(ae_title=TITLE)
    entity.add_supported_context(FIND)
    if gets:
        entity.add_supported_context(GET)
    for name in (CTImageStorage, MRImageStorage):
        entity.add_supported_context(name, scu_role=True, scp_role=True)
    server = entity.start_server(
        ("127.0.0.1", 0),
        block=False,
        evt_handlers=[(evt.EVT_C_FIND, habits.find), (evt.EVT_C_GET, habits.get)],
    )
    assert server is not None
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


@pytest.mark.parametrize("classes", [True, False])
def test_a_node_is_understood_whether_it_tells_sop_classes_or_not(
    lone: World, classes: bool
) -> None:
    with node(Node(classes)) as port:
        done = lone.pull(lone.connection("dimse", port), lone.worklist(accession(0, 0)))
    assert done.code == 0, done.said
    assert lone.fetched().keys() == set(UIDS)


@pytest.mark.parametrize(
    ("silent", "reason"),
    [(False, "Refused: Out of resources, unable to perform sub-operations (0xA702)"),
     (True, "said to be done (0x0000)")],
)  # fmt: skip
def test_what_a_node_does_not_send_is_asked_for_by_itself_and_then_missing_with_its_reason(
    lone: World, silent: bool, reason: str
) -> None:
    habits = Node(refuses=(UIDS[0],), silent=silent)
    with node(habits) as port:
        done = lone.pull(lone.connection("dimse", port), lone.worklist(accession(0, 0)))
    assert done.code == 2 and "incomplete: row 1" in done.said
    assert f"1 not sent: {reason}" in done.said
    assert lone.fetched().keys() == set(UIDS[1:])
    assert habits.batches == [2, 1, 1, 1, 1], "batch, singly, the MR; then once more what lacks"


def test_a_node_without_c_get_is_told_in_one_sentence(lone: World) -> None:
    with node(Node(), gets=False) as port:
        done = lone.pull(lone.connection("dimse", port), lone.worklist(accession(0, 0)))
    assert done.code == 2 and "does not offer us a service that is needed" in done.said

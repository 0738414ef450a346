"""Archives that answer late, partly, without a length, or in another language."""

from __future__ import annotations

import json
import logging
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import certifi
import pydicom
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from dicomweb_client import DICOMwebClient
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage
from pynetdicom import AE, evt
from tests.dicom.pacs.world import (
    PROTOCOLS,
    Done,
    World,
    accession,
    content,
    leaks,
    made,
    number,
    study_uid,
)
from tests.system.orthanc import AE as TITLE
from tests.system.orthanc import Orthanc, running

from sluice.config.pacs import Dicomweb
from sluice.dicom.pacs.archive import RefusedError
from sluice.dicom.pacs.web import WebArchive

SERIES = f"{study_uid(0, 0)}.1"
OBJECTS = [content(made("CT_small.dcm", 0, 0, 0, n)) for n in range(3)]
UIDS = [f"{SERIES}.{n + 1}" for n in range(3)]
Answer = tuple[int, dict[str, str], bytes]
BOUNDARY = "9f2c"
FIND, GET = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.3"
MULTIPART = {"Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'}


class Web:
    """A DICOMweb service of one series, of which each answer can be changed.

    ``change`` is given the path and the right answer. Answers without a Content-Length end
    with the connection, as in HTTP/1.0.
    """

    def __init__(self, change: Callable[[str, Answer], Answer]) -> None:
        self.paths: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.paths.append(self.path)
                status, headers, body = change(self.path, outer.right(self.path))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_port}/web"

    @staticmethod
    def right(path: str) -> Answer:
        """What a good service answers."""
        place, _, query = path.partition("?")
        if place.endswith("/studies"):
            found = [
                {
                    "0020000D": {"vr": "UI", "Value": [study_uid(0, 0)]},
                    "00080050": {"vr": "SH", "Value": [accession(0, 0)]},
                    "00100020": {"vr": "LO", "Value": [number(0)]},
                    "00201208": {"vr": "IS", "Value": [3]},
                }
            ]
            return listed(found, query)
        if place.endswith("/instances"):
            return listed(
                [
                    {
                        "00080018": {"vr": "UI", "Value": [uid]},
                        "0020000E": {"vr": "UI", "Value": [SERIES]},
                    }
                    for uid in UIDS
                ],
                query,
            )
        uid = place.rpartition("/")[2]
        return parts(OBJECTS if uid == SERIES else [OBJECTS[UIDS.index(uid)]])


def listed(found: list[dict], query: str) -> Answer:
    """Page a list as its query asks."""
    asked = dict(pair.split("=") for pair in query.split("&"))
    start = int(asked["offset"])
    body = json.dumps(found[start : start + int(asked["limit"])]).encode()
    return 200, {"Content-Type": "application/dicom+json", "Content-Length": str(len(body))}, body


def parts(objects: list[bytes]) -> Answer:
    head = f"\r\n--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = b"".join(head + each for each in objects) + f"\r\n--{BOUNDARY}--\r\n".encode()
    return 200, MULTIPART | {"Content-Length": str(len(body))}, body


@contextmanager
def serving(change: Callable[[str, Answer], Answer]) -> Iterator[Web]:
    web = Web(change)
    threading.Thread(target=web.server.serve_forever, daemon=True).start()
    try:
        yield web
    finally:
        web.server.shutdown()
        web.server.server_close()


@pytest.fixture
def lone(tmp_path: Path) -> World:
    """A folder, without an archive."""
    return World(tmp_path, Orthanc(tmp_path, 1, 1))


def pulled(lone: World, web: Web) -> Done:
    return lone.pull(lone.connection("dicomweb", url=web.url), lone.worklist(accession(0, 0)))


def is_series(path: str) -> bool:
    return path.partition("?")[0].endswith(f"/series/{SERIES}")


def test_a_good_service_is_asked_for_a_whole_series_at_once(lone: World) -> None:
    with serving(lambda path, answer: answer) as web:
        done = pulled(lone, web)
    assert done.code == 0, done.said
    assert [path.read_bytes() for path in lone.fetched().values()].sort() == OBJECTS.sort()
    assert sum("/series/" in path for path in web.paths) == 1


def test_an_answer_cut_short_does_not_pass_for_a_whole_object(lone: World) -> None:
    """Orthanc answers a series without a length, so that a broken connection looks like its end."""

    def cut(path: str, answer: Answer) -> Answer:
        return (200, MULTIPART, answer[2][:-15_000]) if is_series(path) else answer

    with serving(cut) as web:
        client = DICOMwebClient(web.url)
        sent = list(client.iter_series(study_uid(0, 0), SERIES))
        last = sent[-1]
        assert len(last.PixelData) < 2 * last.Rows * last.Columns, "the library takes it as it is"
        done = pulled(lone, web)
    assert done.code == 0, done.said
    assert {u: p.read_bytes() for u, p in lone.fetched().items()} == dict(
        zip(UIDS, OBJECTS, strict=True)
    )


def test_an_answer_shorter_than_it_says_is_asked_for_again(lone: World) -> None:
    turns = iter([True])

    def cut(path: str, answer: Answer) -> Answer:
        short = is_series(path) and next(turns, False)
        return (*answer[:2], answer[2][:-15_000]) if short else answer

    with serving(cut) as web:
        done = pulled(lone, web)
    assert done.code == 0 and "trying again in 0.05 s" in done.said
    assert lone.fetched().keys() == set(UIDS)
    assert sum(is_series(path) for path in web.paths) == 1
    assert sum("/instances/" in path for path in web.paths) == 1, "two had come"


def test_an_object_whose_end_cannot_be_known_is_missing_with_this_reason(lone: World) -> None:
    def endless(path: str, answer: Answer) -> Answer:
        return (200, MULTIPART, answer[2]) if "/series/" in path else answer

    with serving(endless) as web:
        done = pulled(lone, web)
    assert done.code == 2 and "incomplete: row 1" in done.said
    assert "1 not sent: an answer that does not tell its length" in done.said
    assert lone.report["missing"] == 1 and len(lone.files) == 2


def test_another_object_than_the_one_that_was_asked_for_is_not_kept(lone: World) -> None:
    def swapped(path: str, answer: Answer) -> Answer:
        if is_series(path):
            return 404, {}, b""
        return parts([OBJECTS[0]]) if path.rpartition("/")[2] == UIDS[1] else answer

    with serving(swapped) as web:
        done = pulled(lone, web)
    assert "1 not sent: another object was sent" in done.said
    assert lone.fetched().keys() == {UIDS[0], UIDS[2]}


@pytest.mark.parametrize("ignored", ["limit", "offset"])
def test_a_service_that_pages_in_its_own_way_is_listed_to_its_end(
    lone: World, ignored: str
) -> None:
    def own_way(path: str, answer: Answer) -> Answer:
        if "?" not in path:
            return answer
        if ignored == "limit":
            return Web.right(path.replace("limit=1000", "limit=2"))
        return Web.right(re.sub("offset=[0-9]+", "offset=0", path))

    with serving(own_way) as web:
        done = pulled(lone, web)
    assert done.code == 0 and "3 of 3 instances are here" in done.said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, {"Content-Type": "text/html"}, b"<html>log in"), "an answer that is no DICOM"),
        ((500, {}, b""), "HTTP 500"),
        ((403, {}, b""), "does not let us in (HTTP 403)"),
    ],
)
def test_an_answer_that_is_no_answer_is_told_in_one_sentence(
    lone: World, answer: Answer, said: str
) -> None:
    with serving(lambda path, right: answer) as web:
        done = pulled(lone, web)
    assert done.code == 2 and said in done.said and len(done.said.splitlines()) == 1


def test_a_service_that_is_busy_is_asked_again(lone: World) -> None:
    turns = iter([False, True, True])

    def busy(path: str, answer: Answer) -> Answer:
        return (503, {}, b"") if "/instances" in path and next(turns, False) else answer

    with serving(busy) as web:
        done = pulled(lone, web)
    assert done.code == 0 and "trying again in 0.05 s" in done.said


def test_an_object_that_is_none_is_missing_and_the_others_come(lone: World) -> None:
    def rotten(path: str, answer: Answer) -> Answer:
        if is_series(path):
            return parts([OBJECTS[0], b"nothing of this kind", OBJECTS[2]])
        return parts([b"nothing"]) if path.rpartition("/")[2] == UIDS[1] else answer

    with serving(rotten) as web:
        done = pulled(lone, web)
    assert done.code == 2 and "1 not sent: an answer that is no DICOM" in done.said
    assert lone.fetched().keys() == {UIDS[0], UIDS[2]}


def test_a_token_is_sent_and_never_shown(lone: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (lone.folder / "token").write_text("kestrel-token\n")
    (lone.folder / "token").chmod(0o600)
    (lone.folder / ".netrc").write_text("machine localhost login other password other\n")
    monkeypatch.setenv("NETRC", str(lone.folder / ".netrc"))
    seen: list[str] = []

    class Noting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            self.send_response(401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Noting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    connection = lone.folder / "pacs.yaml"
    connection.write_text(
        f"dicomweb: {{url: 'http://localhost:{server.server_port}', token_file: token}}\n"
    )
    done = lone.pull(connection)
    assert seen == ["Bearer kestrel-token"] and "kestrel-token" not in done.said
    (lone.folder / "token").chmod(0o640)
    assert "token_file can be read by others" in lone.pull(connection).said
    (lone.folder / "token").unlink()
    assert "A file with a secret is missing (dicomweb.token_file)" in lone.pull(connection).said
    server.shutdown()
    server.server_close()


def test_a_service_s_reasons_for_taking_nothing_are_counted(lone: World) -> None:
    item = {"0008119B": {"vr": "SH"}, "00081197": {"vr": "US", "Value": [0xA900]}}
    refusal = {"00081198": {"vr": "SQ", "Value": [item, item]}}
    answers = iter([(409, json.dumps(refusal).encode()), (409, b"no"), (500, b"")])

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, body = next(answers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    (lone.folder / "a.dcm").write_bytes(OBJECTS[0])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    archive = WebArchive(Dicomweb(url=f"http://localhost:{server.server_port}"))
    files = [lone.folder / "a.dcm"]
    expected = "Data Set Does Not Match SOP Class (0xA900)"
    assert archive.store(files) == {expected: 2}
    for reason in ("an answer that is no DICOM", "HTTP 500"):
        with pytest.raises(RefusedError, match=reason):
            archive.store(files)
    server.shutdown()
    server.server_close()


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


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_library_logs_what_it_asks_for(
    world: World, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Both libraries log UIDs and whole answers for whoever listens; here nobody can."""
    caplog.set_level(logging.DEBUG)
    assert world.pull(world.connection(protocol), world.worklist(accession(0, 0))).code == 0
    assert world.pull(world.connection(protocol, port=1)).code == 2
    assert leaks(caplog.text) == {}


@pytest.fixture(scope="module")
def encrypted(orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """An Orthanc that speaks TLS only, with a certificate of its own."""
    lab = tmp_path_factory.mktemp("tls")
    certify(lab)
    with running(
        lab,
        DicomTlsEnabled=True,
        DicomTlsCertificate=str(lab / "ca.pem"),
        DicomTlsPrivateKey=str(lab / "key.pem"),
        DicomTlsRemoteCertificateRequired=False,
        DicomTlsTrustedCertificates=str(lab / "ca.pem"),
    ) as started:
        for raw in OBJECTS:
            started.add(raw)
        yield started


def certify(lab: Path) -> None:
    """Write a self-signed certificate for localhost."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (lab / "ca.pem").write_bytes(pem)
    (lab / "key.pem").write_bytes(private)


def test_an_encrypted_node_is_spoken_to_and_an_unknown_certificate_refused(
    encrypted: Orthanc, tmp_path: Path
) -> None:
    world = World(tmp_path, encrypted)
    worklist = world.worklist(accession(0, 0))

    def done(**tls: dict[str, str]) -> Done:
        return world.pull(world.connection("dimse", 0, **tls), worklist)

    trusting = done(tls={"ca_file": str(encrypted.lab / "ca.pem")})
    assert trusting.code == 0 and "3 of 3 instances are here" in trusting.said
    certify(tmp_path)
    doubting = done(tls={"ca_file": "ca.pem"})
    assert doubting.code == 2 and "dimse.tls" in doubting.said
    assert len(doubting.said.splitlines()) == 1
    assert done().code == 2, "never without encryption"
    assert "A certificate or key cannot be read" in done(tls={"ca_file": "nowhere.pem"}).said


def test_an_encrypted_service_is_spoken_to_and_an_unknown_certificate_refused(
    lone: World, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())  # requests would prefer it
    lab = tmp_path_factory.mktemp("https")
    certify(lab)
    certify(lone.folder)
    worklist = lone.worklist(accession(0, 0))
    with serving(lambda path, answer: answer) as web:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(lab / "ca.pem", lab / "key.pem")
        web.server.socket = context.wrap_socket(web.server.socket, server_side=True)
        url = web.url.replace("http:", "https:")

        def done(ca_file: Path) -> Done:
            connection = lone.connection("dicomweb", url=url, ca_file=str(ca_file))
            return lone.pull(connection, worklist)

        assert done(lab / "ca.pem").code == 0
        doubting = done(lone.folder / "ca.pem")
    assert doubting.code == 2 and "certificate is not trusted" in doubting.said
    assert "There is no such file (dicomweb.ca_file)" in done(lab / "nowhere.pem").said

"""DICOMweb services that answer late, partly, without a length, or in another language."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from dicomweb_client import DICOMwebClient
from tests.dicom.pacs.web import MULTIPART, OBJECTS, SERIES, UIDS, Answer, Web, parts, serving
from tests.dicom.pacs.world import Done, World, accession, study_uid

from sluice.config.pacs import Dicomweb
from sluice.dicom.pacs.archive import RefusedError
from sluice.dicom.pacs.web import WebArchive


def pulled(lone: World, web: Web) -> Done:
    return lone.pull(lone.connection("dicomweb", url=web.url), lone.worklist(accession(0, 0)))


def is_series(path: str) -> bool:
    return path.partition("?")[0].endswith(f"/series/{SERIES}")


def test_a_good_service_is_asked_for_a_whole_series_at_once(lone: World) -> None:
    with serving(lambda path, answer: answer) as web:
        done = pulled(lone, web)
    assert done.code == 0, done.said
    assert sorted(path.read_bytes() for path in lone.fetched().values()) == sorted(OBJECTS)
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

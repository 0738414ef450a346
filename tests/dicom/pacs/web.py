"""One series, and a DICOMweb service of it, of which each answer can be changed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.dicom.pacs.world import accession, content, made, number, study_uid

SERIES = f"{study_uid(0, 0)}.1"
OBJECTS = [content(made("CT_small.dcm", 0, 0, 0, n)) for n in range(3)]
UIDS = [f"{SERIES}.{n + 1}" for n in range(3)]
Answer = tuple[int, dict[str, str], bytes]
BOUNDARY = "9f2c"
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

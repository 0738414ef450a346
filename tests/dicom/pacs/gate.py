"""A door before an archive: it notes what is asked for, and can hold or cut the answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Gate:
    """Passes bytes on between a client and a port of this machine.

    ``asked`` is all that clients have sent. Of the answers, ``allowance`` bytes pass (``None``:
    all); then the gate holds the rest back, or, if ``cuts``, ends the connection and opens.
    """

    def __init__(self, target: int, allowance: int | None = None, cuts: bool = False) -> None:
        self.asked = bytearray()
        self.held = threading.Event()
        self._target, self._allowance, self._cuts = target, allowance, cuts
        self._lock = threading.Lock()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])

    def serve(self) -> None:
        """Take connections until the door is closed."""
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                archive = socket.create_connection(("127.0.0.1", self._target))
                for end in (client, archive):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for pump in (self._questions, self._answers):
                    threading.Thread(target=pump, args=(client, archive), daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
            self._door.close()

    def _questions(self, client: socket.socket, archive: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                self.asked += data
                archive.sendall(data)
            archive.shutdown(socket.SHUT_WR)

    def _answers(self, client: socket.socket, archive: socket.socket) -> None:
        with suppress(OSError):
            while data := archive.recv(4096):
                archive.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                if not self._may_pass(len(data)):
                    break
                client.sendall(data)
            else:
                client.shutdown(socket.SHUT_WR)
                return
            if self._cuts:
                client.shutdown(socket.SHUT_RDWR)

    def _may_pass(self, length: int) -> bool:
        with self._lock:
            if self._allowance is None:
                return True
            if self._allowance >= length:
                self._allowance -= length
                return True
            if self._cuts:
                self._allowance = None
            self.held.set()
            return False


@contextmanager
def gate(target: int, allowance: int | None = None, cuts: bool = False) -> Iterator[Gate]:
    """Open a gate before a port of this machine."""
    opened = Gate(target, allowance, cuts)
    threading.Thread(target=opened.serve, daemon=True).start()
    try:
        yield opened
    finally:
        opened.close()

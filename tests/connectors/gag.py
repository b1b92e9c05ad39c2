"""This is where a server's answers get lost: a relay before it that falls silent."""

import socket
import threading
from contextlib import suppress


class Gag:
    """A relay that swallows every answer once `on` is set, or to all requests but the next few, as `after` says."""

    def __init__(self, port: int) -> None:
        self.on = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self._to = port
        self._left: int | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def after(self, requests: int) -> None:
        """Lets the next *requests* be answered, and no more. A client that waits for each answer sends them in a chunk
        each."""
        self._left = requests

    def close(self) -> None:
        """Nobody connects any more."""
        self.listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._to))
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while chunk := source.recv(65536):
                if answers and self.on.is_set():
                    break
                if not answers:
                    self._count()
                sink.sendall(chunk)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # wakes the other direction
            end.close()

    def _count(self) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                self.on.set()

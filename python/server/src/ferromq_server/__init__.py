"""A broker for tests and for trying things out: the executable ``ferromq``, started and ended from Python.

>>> import ferromq_server
>>> with ferromq_server.start() as server:
...     server.create_topic("orders")
...     address = server.namesrv  # "127.0.0.1:...", what clients want as their name server

The server is ``ferromq standalone --ephemeral``: a name server and a broker in a process of its own, on free ports, with its
data in a temporary directory. It ends with ``close()``, with the ``with`` block, and by itself when this process is gone,
however that came about. Nothing of it stays behind.
"""

from ._executable import executable
from ._server import Server, ServerError, start

__all__ = ["Server", "ServerError", "executable", "start"]

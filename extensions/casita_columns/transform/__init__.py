"""Where users' code runs: a program of its own, which imports nothing of the facility's.

It gets a control socket (``--control=N``; ``AF_UNIX``, ``SOCK_SEQPACKET``; a JSON object a message,
at most 64 KiB, with file descriptors attached), and does what it is told there::

    {"do": "load", "codegen": NAME}                      + selection      -> {"loaded": true}
    {"do": "transform", "format": FORMAT, "input": ...}  + input, output  -> {"done": {...}}
    {"do": "look", "input": ...}                         + input, output  -> {"done": {}}

``input`` is ``{"kind": "file", "name"}`` with a file, or ``{"kind": "stream", "name", "size"}``
with a socket (:mod:`.stream`).  While it transforms it sends
``{"progress": {"events", "entries"}}``.  ``done`` holds ``events_in``, ``events`` (rows written),
``bytes_in`` and ``seconds``.  Any answer may be
``{"error": {"kind", "message", "lines", "retry"}}`` instead, where kind is ``selection``,
``data``, ``code`` or ``output``; all have ``cpu``, the CPU time of the process until then, in
seconds.  The program ends when the socket is closed.
"""

"""A page for people: what became of a request's files."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from casita_columns.records.tables import Request, Result

SHOWN = 200
STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1rem; overflow-wrap: anywhere; }
pre { background: color-mix(in srgb, currentColor 7%, transparent); padding: .75rem;
  border-radius: 6px; overflow-x: auto; white-space: pre-wrap; }
.quiet { opacity: .7; }
"""
CLOSED = (
    "<h1>This page needs a link that is still good</h1>"
    "<p>The Facility panel in JupyterLab shows the request, and so does</p>"
    "<pre>casita columns show {identifier}</pre>"
)


def results_page(request: Request | None, failures: Sequence[Result], identifier: str) -> str:
    """Return the page; without a request, what to do instead.

    Parameters
    ----------
    failures
        The first ``SHOWN`` of them.
    """
    if request is None:
        return _page("casita", CLOSED.format(identifier=escape(identifier)))
    title = escape(request.title or request.id)
    body = [
        f"<h1>{title}: {escape(request.state)}</h1>",
        f'<p class="quiet">{escape(request.id)} · {request.completed} of {request.files} files '
        f"delivered, {request.failed} failed</p>",
    ]
    if request.trouble:
        body.append(f"<p>{escape(request.trouble)}</p>")
    for one in failures:
        body.append(f"<h2>{escape(one.paths.partition(chr(10))[0])}</h2>")
        body.append(f"<pre>{escape(one.trouble)}</pre>")
    if request.failed > len(failures):
        body.append(f"<p>... and {request.failed - len(failures)} more</p>")
    return _page(title, "".join(body))


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{title}</title><style>{STYLE}</style><body>{body}</body></html>"
    )

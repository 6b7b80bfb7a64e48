"""Results of a request at a ServiceX that keeps them in S3 and has no other way to them.

That is how it was before it listed results itself (1.5 and older), and how files are had from one
that gives no links.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from casita.errors import ServiceError

CHUNK = 2**20
AHEAD = 4 * 2**20


class Bucket:
    """A request's bucket.

    Parameters
    ----------
    state
        What that ServiceX says of the request, with address and keys of its store.

    Raises
    ------
    ServiceError
        It does not say where its results are.
    """

    def __init__(self, state: Mapping[str, Any]) -> None:
        import fsspec

        try:
            scheme = "https" if state["minio-secured"] else "http"
            self._files = fsspec.filesystem(
                "s3",
                key=str(state["minio-access-key"]),
                secret=str(state["minio-secret-key"]),
                client_kwargs={"endpoint_url": f"{scheme}://{state['minio-endpoint']}"},
                config_kwargs={"connect_timeout": 10, "retries": {"max_attempts": 2}},
                use_listings_cache=False,
            )
        except KeyError as error:
            raise ServiceError(f"the upstream ServiceX tells no {error.args[0]}") from None
        except ImportError as error:
            raise ServiceError(
                f"results of the upstream ServiceX can't be had: {error}",
                hint="pip install 'casita[s3]'",
            ) from None
        self._name = str(state["request_id"])
        self._failed = int(state.get("files-failed") or 0)

    def rows(self) -> list[dict[str, Any]]:
        """Return what there is, in the form of ServiceX's own list.

        Raises
        ------
        ServiceError
            The store does not answer.
        """
        try:
            paths = self._files.ls(self._name, detail=False)
        except FileNotFoundError:
            paths = []
        except Exception as error:  # each library has its own
            raise _away(error) from error
        names = (str(one).partition("/")[2] for one in paths)
        found = [
            {
                "id": _number(one),
                "file-path": one.removesuffix(".parquet"),  # it is named after the file
                "s3-object-name": one,
                "transform_status": "success",
            }
            for one in names
            if one
        ]
        lost = [{"id": -1 - one, "transform_status": "failure"} for one in range(self._failed)]
        return found + lost

    def parts(self, name: str) -> Iterator[bytes]:
        """Yield an object's content.

        Raises
        ------
        ServiceError
            It can't be had.
        """
        try:
            with self._files.open(f"{self._name}/{name}", "rb", block_size=AHEAD) as stream:
                while part := stream.read(CHUNK):
                    yield part
        except Exception as error:
            raise _away(error) from error


def _number(name: str) -> int:
    """Return a number for an object, the same whenever it is listed."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:15], 16)


def _away(error: Exception) -> ServiceError:
    return ServiceError(f"the upstream ServiceX's store does not answer: {type(error).__name__}")

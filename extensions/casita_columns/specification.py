"""What is to be delivered, in the official client's words, as requests to the service."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from casita.errors import CasitaError


def requests_of(spec: Any) -> list[dict[str, Any]]:
    """Return the body of a request for every sample, in order.

    Parameters
    ----------
    spec
        What ``servicex.deliver`` takes: a mapping, a ``ServiceXSpec``, or the path of a YAML file.

    Raises
    ------
    CasitaError
        It is none; the first problem is named.
    """
    from pydantic import ValidationError
    from servicex import servicex_client

    try:
        if isinstance(spec, Mapping):
            _keep_order(spec)
        config = servicex_client._load_ServiceXSpec(spec)
        return [_request(sample, config.General) for sample in config.Sample]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the specification"
        raise CasitaError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
    except (OSError, TypeError, ValueError) as error:
        raise CasitaError(f"the specification can't be used: {error}") from None


class _InOrder(list[str]):
    """Files in the order in which they were given."""

    def sort(self, *, key: Any = None, reverse: bool = False) -> None:
        """Leave the order alone."""


def _keep_order(spec: Mapping[str, Any]) -> None:
    """Keep the official client from sorting lists of files, the caller's own among them.

    It does so when it compares samples (``FileListDataset.hash``).
    """
    samples = spec.get("Sample")
    for sample in samples if isinstance(samples, list) else ():
        found = sample.get("Dataset") if isinstance(sample, Mapping) else None
        if found is not None and isinstance(getattr(found, "files", None), list):
            found.files = _InOrder(found.files)


def _request(sample: Any, general: Any) -> dict[str, Any]:
    from servicex.models import ResultDestination, TransformRequest
    from servicex.query_core import QueryStringGenerator

    query, codegen = sample.Query, sample.Codegen or general.Codegen
    if isinstance(query, QueryStringGenerator):
        codegen = codegen or query.default_codegen
        query = query.generate_selection_string()
    if not codegen or not isinstance(query, str):
        raise CasitaError(
            f"{sample.Name}: it is not said which code generator the query is for",
            hint="use a query class, e.g. servicex.query.UprootRaw, or give Codegen",
        )
    request = TransformRequest(
        title=sample.Name,
        selection=query,
        codegen=codegen,
        result_destination=ResultDestination.object_store,
        result_format=general.OutputFormat.to_ResultFormat(),
    )
    sample.dataset_identifier.populate_transform_request(request)
    body: dict[str, Any] = request.model_dump(mode="json", by_alias=True, exclude_none=True)
    if sample.IgnoreLocalCache or general.IgnoreLocalCache:
        body["fresh"] = True
    return body


def output_folder(spec: Any) -> Path | None:
    """Return the folder that a specification names, if it does."""
    if isinstance(spec, Mapping):
        named = (spec.get("General") or {}).get("OutputDirectory")
        return Path(named) if named else None
    return None

"""A page of a bucket's list, as S3 gives it (ListObjectsV2, and ListObjects before it).  Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from casita_columns.store.objects import Stored
from casita_columns.store.signing import S3Error

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
KEYS_MAX = 1000
DIGITS_MAX = 9


@dataclass(frozen=True)
class Asked:
    """What of a list is asked for."""

    second: bool
    """Version 2."""
    prefix: str
    delimiter: str
    after: str
    """Name, or common prefix, after which the page begins."""
    token: str
    """What of the last page said so."""
    most: int
    """Entries of a page."""
    coded: bool
    """Names are to be percent-encoded: XML can't hold all of them."""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Asked:
        """Read a query.

        Raises
        ------
        S3Error
            It is no query for a list.
        """
        second = query.get("list-type") == "2"
        after = query.get("start-after" if second else "marker", "")
        token = query.get("continuation-token", "") if second else ""
        most = query.get("max-keys", "") or str(KEYS_MAX)
        if not (most.isascii() and most.isdigit() and len(most) <= DIGITS_MAX):
            raise S3Error("InvalidArgument", "max-keys is no number", 400)
        return cls(
            second,
            query.get("prefix", ""),
            query.get("delimiter", ""),
            unquote(token) or after,
            token,
            min(KEYS_MAX, int(most)),
            query.get("encoding-type") == "url",
        )

    @property
    def first(self) -> str:
        """The least name that may be in the page."""
        return max(self.after, self.prefix)

    def text(self, value: str) -> str:
        """Return a name, or a part of one, as it stands in the answer."""
        return quote(value, safe="/-_.~") if self.coded else xml_text(value)


def listed(bucket: str, found: Iterable[Stored], asked: Asked) -> str:
    """Return a page of a list as XML, without the declaration.

    Parameters
    ----------
    found
        The bucket's objects by name; no more of them are taken than the page needs.
    """
    # None are asked for: nothing is left out (as S3 has it).
    entries = list(islice(_entries(asked, found), asked.most + 1)) if asked.most else []
    page, more = entries[: asked.most], len(entries) > asked.most
    fields = _head(asked, bucket)
    fields.append(f"<IsTruncated>{str(more).lower()}</IsTruncated>")
    if asked.second:
        fields.append(f"<KeyCount>{len(page)}</KeyCount>")
    if more:
        last = page[-1] if isinstance(page[-1], str) else page[-1].name
        if asked.second:
            token = quote(last, safe="")
            fields.append(f"<NextContinuationToken>{token}</NextContinuationToken>")
        else:
            fields.append(f"<NextMarker>{asked.text(last)}</NextMarker>")
    fields += [_contents(one, asked) for one in page if isinstance(one, Stored)]
    fields += [
        f"<CommonPrefixes><Prefix>{asked.text(one)}</Prefix></CommonPrefixes>"
        for one in page
        if isinstance(one, str)
    ]
    return f'<ListBucketResult xmlns="{NAMESPACE}">{"".join(fields)}</ListBucketResult>'


def _entries(asked: Asked, found: Iterable[Stored]) -> Iterator[Stored | str]:
    """Yield objects, and common prefixes of those that have the delimiter, in order."""
    last = asked.after  # of a page that ended with a common prefix, what is below it is done
    for one in found:
        if one.name > asked.prefix and not one.name.startswith(asked.prefix):
            return
        if one.name <= asked.after or one.name < asked.prefix:
            continue
        begin = len(asked.prefix)
        end = one.name.find(asked.delimiter, begin) if asked.delimiter else -1
        if end < 0:
            yield one
        elif (common := one.name[: end + len(asked.delimiter)]) != last:
            yield common
            last = common


def _head(asked: Asked, bucket: str) -> list[str]:
    """Return what of a query the answer repeats."""
    fields = [
        f"<Name>{xml_text(bucket)}</Name>",
        f"<Prefix>{asked.text(asked.prefix)}</Prefix>",
        f"<MaxKeys>{asked.most}</MaxKeys>",
    ]
    if asked.delimiter:
        fields.append(f"<Delimiter>{asked.text(asked.delimiter)}</Delimiter>")
    if asked.coded:
        fields.append("<EncodingType>url</EncodingType>")
    if not asked.second:
        fields.append(f"<Marker>{asked.text(asked.after)}</Marker>")
    elif asked.token:
        fields.append(f"<ContinuationToken>{xml_text(asked.token)}</ContinuationToken>")
    elif asked.after:
        fields.append(f"<StartAfter>{asked.text(asked.after)}</StartAfter>")
    return fields


def _contents(one: Stored, asked: Asked) -> str:
    seconds, rest = divmod(one.modified, 1)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return (
        f"<Contents><Key>{asked.text(one.name)}</Key>"
        f"<LastModified>{moment}.{int(rest * 1000):03d}Z</LastModified>"
        f"<ETag>{escape(one.etag, {chr(34): '&quot;'})}</ETag><Size>{one.size}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )


def xml_text(value: str) -> str:
    """Return text for XML, which can't hold control characters even by number."""
    return escape("".join(one if one.isprintable() else "\ufffd" for one in value))

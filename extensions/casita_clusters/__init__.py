"""Dask clusters: the part of the facility that talks to Dask Gateway."""

from casita.backend import Backend

backend = Backend(name="clusters", title="Dask clusters")

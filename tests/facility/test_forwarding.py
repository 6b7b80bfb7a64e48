"""What may come back from a dashboard."""

import pytest

from casita.forwarding import leads_astray
from casita_clusters.handlers.dashboard import without_secrets

PREFIX = "/user/ann/casita/clusters/c1/dashboard/"
PAGE = f"https://hub.example{PREFIX}status"


@pytest.mark.parametrize("location", ["workers", "./workers?x=1", "info/main/x.html", PAGE, "?a"])
def test_a_redirect_within_the_dashboard_passes(location):
    assert not leads_astray(location, PAGE, PREFIX)


@pytest.mark.parametrize(
    "location",
    [
        "/api/contents",
        "/hub/api/user",
        "../../c2/dashboard/status",
        "%2e%2e/%2e%2e/x",
        "//evil.example/",
        "https://evil.example/user/ann/casita/clusters/c1/dashboard/x",
        "http://hub.example" + PREFIX,
        "javascript:alert(1)",
    ],
)
def test_a_redirect_that_leaves_it_does_not(location):
    assert leads_astray(location, PAGE, PREFIX)


def test_jupyters_own_part_of_a_query_stays_here():
    assert without_secrets("status?token=s3cret") == "status"
    assert without_secrets("x/ws?a=1&token=s3cret&b=%20&_xsrf=2|x") == "x/ws?a=1&b=%20"
    assert without_secrets("status") == "status"

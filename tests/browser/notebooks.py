"""Notebooks, as a person uses them in JupyterLab."""

import re

import pytest

expect = pytest.importorskip("playwright.sync_api").expect


def run_first_cell(page, more=""):
    """Run a notebook's first cell to its end, with a line more; returns the cell.

    Lab drops what is run before its kernel is there, so it is run until it is taken.
    """
    page.wait_for_selector("#jp-main-statusbar:has-text('Python 3 (ipykernel) | Idle')")
    cell = page.locator(".jp-Notebook .jp-Cell").first
    cell.locator(".cm-content").click()
    if more:
        page.keyboard.press("Control+End")
        page.keyboard.press("Enter")
        page.keyboard.type(more)
    prompt = cell.locator(".jp-InputPrompt")
    for _ in range(10):
        cell.click()
        page.keyboard.press("Shift+Enter")
        try:
            expect(prompt).not_to_have_text("[ ]:", timeout=3000)
        except AssertionError:
            continue
        expect(prompt).to_have_text(re.compile(r"\[\d+\]"), timeout=120_000)
        return cell
    raise AssertionError("JupyterLab does not run the cell")

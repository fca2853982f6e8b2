"""Photograph the report of the published evidence: its first screen, and one claim with its figures and strips.

Run from the root of the repository, where Playwright and a Chromium are (extra ``dev``)::

    python docs/report.py [--output docs/report.png]

The picture carries the digest of the mark-up that it shows, by which a test knows that it is the present report's.
"""

import argparse
import hashlib
import io
import re
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from featdyn_core.report.html import write_html
from featdyn_core.report.marked_tables import project_meanings
from featdyn_core.verdicts.documents import read_document

ROOT = Path(__file__).parents[1]
CLAIM = "memory-window"
KEY = "featdyn report"
"""Key of the digest in the picture's text."""

WIDTH, GAP, ROWS = 1280, 16, 6
"""Width of the page and space between its parts, in pixels; number of claims of the grid that are shown."""

_PLACES = """([claim, rows]) => {
  const section = document.querySelector(`details.claim[data-claim="${claim}"]`);
  section.open = section.querySelector("details.row").open = true;
  const place = (top, bottom) => [top.getBoundingClientRect().top, bottom.getBoundingClientRect().bottom];
  const article = section.querySelector("article");
  const [figures, decides] = article.querySelectorAll("h4 + .figures");
  return [
    place(document.body, document.querySelectorAll(".matrix tbody tr")[rows - 1]),
    place(section, section.querySelector("summary")),
    place(section.querySelector("details.row"), figures.children[1]),
    place(decides.previousElementSibling, decides),
  ];
}"""
"""Tops and bottoms of what is shown: the first screen, a claim's title, its first figures, what decides it."""


def page(folder: Path) -> Path:
    """Write the report of the published evidence into a folder, and return its path."""
    (file,) = (ROOT / "evidence" / "fast-cpu").glob("evidence.json*")
    path = folder / "report.html"
    write_html(path, read_document(file), meanings=project_meanings(ROOT))
    return path


def digest(path: Path) -> str:
    """Return the digest of what the picture shows of a page: its style, its first screen, the claim's section."""
    text = path.read_text(encoding="utf-8")
    above, _, below = text.partition('<section id="claims">')
    (claim,) = re.findall(
        rf'<details class="claim" data-claim="{CLAIM}">.*?(?=<details class="claim"|</section>)', below, re.DOTALL
    )
    return hashlib.sha256((above + claim).encode()).hexdigest()


def photograph(path: Path, output: Path) -> None:
    """Write the picture of a page."""
    from playwright.sync_api import sync_playwright  # the digest is read without it

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": WIDTH, "height": 900})
        shown.goto(path.as_uri())
        places = shown.evaluate(_PLACES, [CLAIM, ROWS])
        whole = Image.open(io.BytesIO(shown.screenshot(full_page=True))).convert("RGB")
        browser.close()
    parts = [whole.crop((0, round(top), WIDTH, round(bottom))) for top, bottom in places]
    picture = Image.new("RGB", (WIDTH, sum(part.height + GAP for part in parts)), "white")
    top = 0
    for part in parts:
        picture.paste(part, (0, top))
        top += part.height + GAP
    said = PngInfo()
    said.add_text(KEY, digest(path))
    picture.quantize(128, dither=Image.Dither.NONE).save(output, pnginfo=said, optimize=True)


def main() -> None:
    """Read the command line, and write the picture."""
    parser = argparse.ArgumentParser(description="Photograph the report of the published evidence.")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".png"))
    with tempfile.TemporaryDirectory() as folder:
        photograph(page(Path(folder)), parser.parse_args().output)


if __name__ == "__main__":
    main()

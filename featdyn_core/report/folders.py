"""Figures as files: one folder per claim, and an index that shows and names each figure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from featdyn_core.errors import EvidenceError
from featdyn_core.report import wording
from featdyn_core.report.drawing import check_curve, marks
from featdyn_core.report.figures import KINDS, curve_csv, curve_files
from featdyn_core.report.html import environment
from featdyn_core.report.multiverse import CURVE, specification_csv, specification_files
from featdyn_core.report.planes import check_plane, plane_csv, plane_files
from featdyn_core.report.writing import need, slug, write
from featdyn_core.verdicts.curve import Curve
from featdyn_core.verdicts.evidence import Evidence
from featdyn_core.verdicts.multiverse import Multiverse
from featdyn_core.verdicts.plane import Plane

INDEX = "index.html"


@dataclass(frozen=True)
class Drawing:
    """One figure, not yet drawn.

    Attributes:
        row: its row.
        title: title of the figure.
        shown: the curve, plane or multiverse to draw.
    """

    row: Evidence
    title: str
    shown: Curve | Plane | Multiverse

    @property
    def name(self) -> str:
        """Its title with the row's words."""
        return f"{self.row.claim} on {self.row.subject} ({wording.scale(self.row)}): {self.title}"

    @property
    def place(self) -> str:
        """Its path in the folder, without the ending of the file."""
        claim = self.row.claim
        return f"{slug(claim)}/{slug(self.row.id.removeprefix(f'{claim}-'), self.title)}"

    def check(self) -> None:
        """Refuse what cannot be drawn, as an ``EvidenceError``."""
        if isinstance(self.shown, Curve):
            check_curve(self.shown, self.name)
        elif isinstance(self.shown, Plane):
            check_plane(self.shown, self.name)

    def files(self) -> dict[str, bytes]:
        """Draw it, and return its files by their kind."""
        if isinstance(self.shown, Curve):
            drawn, table = (
                curve_files(self.shown, self.name, marks(self.row, self.shown)),
                curve_csv(self.shown, self.row.seeds),
            )
        elif isinstance(self.shown, Plane):
            drawn, table = plane_files(self.shown, self.name), plane_csv(self.shown)
        else:
            drawn, table = specification_files(self.shown, self.name), specification_csv(self.shown)
        return drawn | {"csv": table.encode()}


def write_figures(
    folder: Path, rows: Sequence[Evidence], progress: Callable[[int, int], None] | None = None
) -> list[Path]:
    """Write every figure as ``<claim>/<row>-<title>`` in lower case, as .png, .svg, .pdf and .csv, and an index.

    Without rows, or with a figure that cannot be drawn, it raises an ``EvidenceError`` before anything is written. A
    file that cannot be written is an ``EvidenceError`` too.

    Args:
        folder: folder of the claims' folders and of ``index.html``; it is made if it is missing.
        rows: whose figures are drawn.
        progress: takes the number of figures written so far, and the number of all figures.

    Returns:
        All files that were written, the index last.

    Raises:
        EvidenceError: two figures would share a file's name.
    """
    need(rows)
    drawings = [drawing for row in rows for drawing in _drawings(row)]
    places: dict[str, Drawing] = {}
    for drawing in drawings:
        drawing.check()
        if places.setdefault(drawing.place, drawing) is not drawing:
            raise EvidenceError(
                f"{drawing.name!r} is not the only figure for {folder / drawing.place}.png: write each run into its "
                "own folder"
            )
    written = []
    for done, drawing in enumerate(drawings, start=1):
        for kind, content in drawing.files().items():
            written.append(folder / f"{drawing.place}.{kind}")
            write(written[-1], content)
        if progress:
            progress(done, len(drawings))
    write(folder / INDEX, _index(drawings).encode())
    return [*written, folder / INDEX]


def _index(drawings: Sequence[Drawing]) -> str:
    claims: dict[str, list[Drawing]] = {}
    for drawing in drawings:
        claims.setdefault(drawing.row.claim, []).append(drawing)
    return environment().get_template("index.html.jinja").render(claims=claims, kinds=(*KINDS, "csv"))


def _drawings(row: Evidence) -> list[Drawing]:
    shown: list[tuple[str, Curve | Plane | Multiverse]] = [*row.planes.items(), *row.curves.items()]
    if row.multiverse:
        shown.append((CURVE, row.multiverse))
    return [Drawing(row, title, figure) for title, figure in shown]

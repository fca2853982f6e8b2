"""JUnit files for continuous integration: what pytest wrote, with each row's verdict and number as flat properties."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

from featdyn_core.errors import EvidenceError
from featdyn_core.report.columns import Line, Table, columns
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.documents import from_json
from featdyn_core.verdicts.evidence import Evidence
from featdyn_core.verdicts.families import Adjusted, adjusted_p_values

EVIDENCE, FAULT = "featdyn-evidence", "featdyn-fault"
"""Names of the properties in which a test hands over its row as JSON, or the fault because of which it has none."""


def annotate(path: Path, rows: Sequence[Evidence], *, keep: bool = False) -> None:
    """Give each test of a claim in a JUnit file flat properties of its row, and make its faults errors.

    INVALID rows, and faults of the store or of a measurement, do not count as failures of a claim: pytest writes them
    as ``<failure>``, and they become ``<error>``.

    Args:
        path: path of the file that pytest wrote; if there is none, nothing is done.
        rows: rows of the whole run, by which p-values are adjusted.
        keep: whether the row stays in the file as JSON.

    Raises:
        EvidenceError: the file cannot be read or written.
    """
    if not path.exists():
        return
    adjusted = {row.id: holm for row, holm in zip(rows, adjusted_p_values(rows), strict=True)}
    try:
        tree = ElementTree.parse(path)
        for suite in tree.iter("testsuite"):
            for case in suite.iter("testcase"):
                _annotate_case(suite, case, adjusted, keep)
        tree.write(path, encoding="utf-8", xml_declaration=True)
    except (OSError, ElementTree.ParseError) as error:
        raise EvidenceError(f"the JUnit file {path} cannot be completed: {error}") from error


def _annotate_case(
    suite: ElementTree.Element, case: ElementTree.Element, adjusted: dict[str, Adjusted], keep: bool
) -> None:
    found = {item.get("name"): item for item in case.iter("property")}
    broken = FAULT in found
    properties = case.find("properties")
    if properties is not None and EVIDENCE in found:
        row = from_json(found[EVIDENCE].get("value", ""))
        broken = row.verdict is Verdict.INVALID
        for name, value in flat(row, adjusted.get(row.id, Adjusted())).items():
            ElementTree.SubElement(properties, "property", name=name, value=value)
        if not keep:
            properties.remove(found[EVIDENCE])
    failure = case.find("failure")
    if broken and failure is not None:
        failure.tag = "error"
        for count, change in (("failures", -1), ("errors", 1)):
            suite.set(count, str(int(suite.get(count, "0")) + change))


def flat(row: Evidence, holm: Adjusted) -> dict[str, str]:
    """Return a row as names and texts, with the number that its verdict depends on (see ``Evidence.hinge``)."""
    line = Line(row, holm, "")
    return {column.name: text for column in columns(Table.JUNIT) if (text := column.text(line))}

"""A parser of pages for tests, and the made-up run with every verdict that most pages show."""

import html.parser

from featdyn_core.tests.report.sample import every_verdict

ROWS = every_verdict()
DECIDED = [row for row in ROWS if row.verdict.decided]


class Page(html.parser.HTMLParser):
    """A parsed page: its text, its attributes, and whether its elements are closed."""

    VOID = frozenset({"meta", "input", "br", "img"})

    def __init__(self, text):
        super().__init__()
        self.texts, self.tags, self.open = [], [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attributes):
        """Open an element."""
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        """Keep an element that is closed at once."""
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        """Refuse the end of an element that was not opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Keep visible text."""
        if self.open[-1:] not in (["style"], ["script"], ["option"]):
            self.texts.append(data)

    def attributes(self, *names):
        """Return all values of attributes."""
        return [found[name] for _, found in self.tags for name in names if name in found]

    def count(self, tag):
        """Return the number of elements of a kind."""
        return sum(found == tag for found, _ in self.tags)

"""A small table that reads as text and on a page, dark or light."""

from html import escape

LEFT = 'style="text-align:left;padding:0.2em 0.6em;color:inherit"'


class Table:
    """Rows of text under headings, and a note on them; subclasses set the three.

    On a page it is marked as a dataframe, which has its own ground, dark or light.
    """

    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]
    note: str
    name = ""  # a class for the page

    def __repr__(self):
        rows = [self.headings, *self.rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, self.note])

    def _repr_html_(self):
        head = "".join(f'<th scope="col" {LEFT}>{heading}</th>' for heading in self.headings)
        body = "".join(
            "<tr>" + "".join(f"<td {LEFT}>{escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        kind = f"dataframe {self.name}".rstrip()
        return (
            f'<table class="{kind}"><caption {LEFT}>{escape(self.note)}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )

"""HTML of a page that needs nothing but itself. All text is escaped."""

import base64
import html

ALONE = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # nothing is fetched
EMPTY = {"img", "meta"}
STYLE = """
:root { color-scheme: light dark; --faint: color-mix(in srgb, CanvasText 60%, Canvas);
  --line: color-mix(in srgb, CanvasText 18%, Canvas); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin-bottom: 0.3rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 0.6rem; border-bottom: 1px solid var(--line); }
p { margin: 0.4rem 0; max-width: 46rem; }
.score { font-size: 1.3rem; font-weight: 600; }
.note, figcaption, caption { color: var(--faint); }
figure { margin: 0.6rem 1rem 0.6rem 0; display: inline-block; vertical-align: top;
  max-width: 100%; }
figcaption { max-width: 46rem; font-size: 0.9rem; margin-bottom: 0.3rem; }
.small figure { width: 7.6rem; margin-right: 0.6rem; }
.small figcaption { font-size: 0.76rem; line-height: 1.3; overflow-wrap: anywhere; }
img { max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line);
  border-radius: 4px; }
div.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 0.5rem 0; font-size: 0.92rem; }
caption { text-align: left; }
th, td { text-align: left; font-weight: normal; padding: 0.15rem 1.2rem 0.15rem 0;
  border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
th[scope=row] { color: var(--faint); white-space: nowrap; }
thead th { font-weight: 600; }
code { font-size: 0.92em; }
"""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name, *children, **attributes):
    """Return an element as `Markup`; children and values that are no `Markup` are escaped.

    A trailing underscore of an attribute's name is dropped: `class_`.
    """
    written = "".join(
        f' {key.rstrip("_")}="{html.escape(str(value))}"' for key, value in attributes.items()
    )
    if name in EMPTY:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{joined(children)}</{name}>")


def joined(children):
    """Return children one after another, escaped where they are no `Markup`."""
    return Markup(
        "".join(x if isinstance(x, Markup) else html.escape(str(x), quote=False) for x in children)
    )


def table(rows, head=(), caption=None):
    """Return a table; the first cell of each row is its heading."""
    parts = [] if caption is None else [tag("caption", caption)]
    if head:
        cells = [tag("th", cell, scope="col") for cell in head]
        parts.append(tag("thead", tag("tr", *cells)))
    lines = [
        tag("tr", tag("th", first, scope="row"), *(tag("td", cell) for cell in cells))
        for first, *cells in rows
    ]
    return tag("div", tag("table", *parts, tag("tbody", *lines)), class_="scroll")


def picture(png, caption, alt):
    """Return a figure with a PNG, given as bytes, in it."""
    source = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    return tag("figure", tag("figcaption", caption), tag("img", src=source, alt=alt))


def section(title, *parts):
    """Return a section with a heading."""
    return tag("section", tag("h2", title), *parts)


def document(title, *parts):
    """Return the whole page as text."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", **{"http-equiv": "Content-Security-Policy", "content": ALONE}),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )
    return "<!doctype html>\n" + tag("html", head, tag("body", *parts), lang="en") + "\n"

"""What all pictures share: colours, matplotlib without global state, and how a PNG is written."""

import contextlib
import io
import warnings
from pathlib import Path

from kmeta.placing import replaced

PAPER, BAND, INK, FAINT, FRAME = "#ffffff", "#f3f5f8", "#1c2733", "#6b7785", "#c9d1da"
RIGHT, WRONG = "#2e8b57", "#d1242f"
COLOURS = ("#2f7ed8", "#e07b00", "#2e8b57", "#b5338a", "#c9a227", "#17a2b8", "#7d5ba6", "#8c564b")
SHADES = "Blues"
FURTHER_FONTS = (  # for letters that the first lacks, where the system has one of them
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Hiragino Sans", "PingFang SC", "Yu Gothic"),
    *("Microsoft YaHei", "Malgun Gothic", "WenQuanYi Zen Hei", "Arial Unicode MS", "Nirmala UI"),
    *("Noto Sans Devanagari", "Noto Sans Thai", "Leelawadee UI", "Noto Sans Bengali"),
)
STYLE = {
    "figure.dpi": 110,
    "figure.facecolor": PAPER,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a class may be called "$x$"
    "axes.edgecolor": FRAME,
    "axes.labelcolor": INK,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "legend.frameon": False,
}


@contextlib.contextmanager
def figure(size, path):
    """Yield an empty matplotlib figure and a function that ends the picture.

    Args:
        size: width and height in inches of 110 pixels.
        path: see `finish`; checked before anything is drawn.

    Yields:
        `(figure, done)`: `matplotlib.figure.Figure`, and `done()`, which returns what the drawing
        function returns.
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    check(path)
    fonts = {"font.family": ["DejaVu Sans", *_further_fonts()]}
    with matplotlib.style.context(["default", STYLE, fonts]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box is drawn
        sheet = Figure(figsize=size)
        yield sheet, lambda: finish(lambda file: sheet.savefig(file, format="png"), path)


def _further_fonts():
    from matplotlib.font_manager import fontManager

    present = {font.name for font in fontManager.ttflist}
    return [name for name in FURTHER_FONTS if name in present]


def check(path):
    """Raise ValueError or FileNotFoundError unless `path` is None or that of a PNG to write."""
    if path is None:
        return
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"Argument `path` must end in .png. Received: path={str(path)!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"No such folder: {path.parent}")


def finish(write, path):
    """Write a PNG to a file, whole or not at all; return its path. Without path return the bytes.

    write: function of a binary file.
    """
    if path is None:
        buffer = io.BytesIO()
        write(buffer)
        return buffer.getvalue()
    with replaced(path) as draft, open(draft, "wb") as file:
        write(file)
    return Path(path)


def names_of(class_names, way):
    """Return `way` class names as strings; the labels where `class_names` is None."""
    if class_names is None:
        return [str(label) for label in range(way)]
    names = list(map(str, class_names))
    if len(names) != way:
        raise ValueError(
            f"Argument `class_names` must have {way} names, one for each class. "
            f"Received: {len(names)}"
        )
    return names


def short(name, length=24):
    """Return the end of a long name, which in scripts and folders is what differs."""
    return name if len(name) <= length else "…" + name[1 - length :]

"""The look of figures: page sizes, fonts, and one colour, line, marker and hatch a method."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.figures.fonts import use_fonts
from benchmarks.files import atomic_file

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

    Axes = matplotlib.axes.Axes
    Figure = matplotlib.figure.Figure
else:  # matplotlib is imported by what draws, so that commands start at once
    Axes = Figure = Any

Drawing = partial[Figure]

SINGLE, DOUBLE = 3.4, 7.0
"""Widths of one and two columns of a paper, in inches."""

CHARACTER = 0.058
"""Mean width of a character, in inches."""

LINE = 0.15
"""Height of a line of text, in inches."""

MOST_METHODS, MOST_CATEGORIES = 12, 30
"""As many as a figure tells apart, and as many as anybody looks at one by one."""

LOOK: dict[str, Any] = {
    **{f"{part}.labelsize": 7 for part in ("axes", "xtick", "ytick", "figure")},
    **dict.fromkeys(("axes.titlesize", "figure.titlesize", "font.size", "legend.fontsize"), 7),
    "legend.frameon": False,
    "legend.handlelength": 2.8,
    **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 0.5),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
    "hatch.linewidth": 0.4,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.2,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
    "svg.hashsalt": "benchmarks.figures",
    "text.parse_math": False,  # names are no formulas
}
"""matplotlib's settings, over its defaults."""

LINES_DPI, PICTURES_DPI = 300, 200
"""Dots per inch of a PNG of lines, and of one of pictures, which stored maps fill."""

LineStyle = str | tuple[float, tuple[float, ...]]


@dataclass(frozen=True)
class Style:
    """How a method is drawn; line style, marker and hatch tell methods apart in grey-scale."""

    colour: str
    line: LineStyle
    marker: str
    hatch: str


_NAMED_LINES = {"-": (), "--": (3.7, 1.6), "-.": (6.4, 1.6, 1, 1.6), ":": (1, 1.65)}
"""matplotlib's named line styles as lengths of dashes and gaps, in widths of the line."""

_DASHES: tuple[LineStyle, ...] = ("-", "--", "-.", ":", (0, (6, 1)), (0, (3, 1, 1, 1, 1, 1)))

_MARKERS = ">p*dh"

_HATCHES = ("\\\\\\\\", "xxxx", "----", "||||", "++++")

# Blues from dark to light as the memory bank shrinks; the rest of Okabe and Ito's colours.
_KNOWN = {
    "patchcore-100": Style("#08306b", "-", "o", ""),
    "patchcore-25": Style("#2171b5", (0, (6, 1)), "s", ""),
    "patchcore-10": Style("#56a3d9", (0, (3, 1, 1, 1)), "D", ""),
    "patchcore-1": Style("#9ecae1", (0, (1, 1)), "v", ""),
    "spade": Style("#d55e00", "--", "^", "////"),
    "spade-5": Style("#f0a830", (0, (2, 1)), "<", "////"),
    "padim": Style("#009e73", "-.", "P", "...."),
    "padim-full": Style("#005c43", (0, (4, 1, 1, 1, 1, 1)), "X", "...."),
    "knn": Style("#000000", (0, (2, 2)), "p", "xxxx"),
    "mahalanobis": Style("#7f7f7f", (0, (6, 1)), "h", "----"),
    "dfm": Style("#cc79a7", "-", "*", "||||"),
    "dfm-likelihood": Style("#e3b6d0", "--", "d", "||||"),
    "subspace": Style("#882255", ":", ">", "\\\\\\\\"),
    "softpatch": Style("#7b61c4", "-.", "d", "++++"),
    "anomalydino": Style("#b8a100", (0, (3, 1, 1, 1, 1, 1)), "*", "xxxx"),
    "rad": Style("#8c510a", "--", ">", "----"),
}

# Apart from the known ones, and from each other, for the common kinds of colour blindness.
_OTHERS = ("#cc79a7", "#882255", "#7f7f7f", "#b8a100", "#000000", "#7b61c4")


def style(method: str) -> Style:
    """Return the look of `method`, overrides in brackets included: a function of its name alone.

    A known name has its own look; any other takes one by the hash of the name, so that it keeps
    it whatever methods stand beside it.
    """
    if method in _KNOWN:
        return _KNOWN[method]
    number = int.from_bytes(hashlib.sha256(method.encode()).digest())
    parts = []
    for choices in (_OTHERS, _DASHES, _MARKERS, _HATCHES):
        number, place = divmod(number, len(choices))
        parts.append(choices[place])
    return Style(*parts)  # type: ignore[arg-type]


def line(method: str) -> dict[str, Any]:
    """Return the look of `method` as keywords of a matplotlib line."""
    look = style(method)
    return {"color": look.colour, "linestyle": look.line, "marker": look.marker, "clip_on": False}


def dash_lengths(line: LineStyle) -> tuple[float, ...]:
    """Return the lengths of dashes and gaps, in widths of the line; none of a full line."""
    return _NAMED_LINES[line] if isinstance(line, str) else line[1]


def new_figure(width: float, height: float, caption: str) -> Figure:
    """Return an empty figure of width × height inches below its caption, which adds to the height.

    Made without pyplot, so without global state.
    """
    from matplotlib.figure import Figure

    text = fill(caption, int(width / CHARACTER))
    height += LINE * (1 + text.count("\n"))
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(text)
    return figure


def add_legend(figure: Figure, methods: Sequence[str], handles: Sequence[Any]) -> None:
    """Add a legend below everything else, and its height to the figure's."""
    longest = max(map(len, methods))
    columns = max(1, int(figure.get_figwidth() / (0.55 + CHARACTER * longest)))
    figure.set_figheight(figure.get_figheight() + LINE * ceil(len(methods) / columns))
    figure.legend(handles, methods, loc="outside lower center", ncols=columns)


class Written(NamedTuple):
    """A figure's files; the characters that it shows as boxes; why it isn't drawn, if it isn't."""

    paths: Sequence[Path]
    boxes: frozenset[str] = frozenset()
    problem: str = ""


def look() -> AbstractContextManager[None]:
    """Return a context in which matplotlib draws by `LOOK`."""
    import matplotlib.style

    return matplotlib.style.context(["default", LOOK])


def save(figure: Figure, folder: Path, name: str, *, svg: bool = True) -> Written:
    """Write a figure as PNG, and SVG; the same figure gives the same bytes.

    Laid out and drawn once for each, by the canvases themselves: `savefig` draws twice, and lays
    out again for the second file.

    Raises:
        StorageError: the files can't be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    png, lines, boxes = folder / f"{name}.png", folder / f"{name}.svg", use_fonts(figure)
    figure.set_dpi(LINES_DPI if svg else PICTURES_DPI)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ |Matplotlib currently does not support")
        canvas: Any = FigureCanvasAgg(figure)
        with atomic_file(png) as file:
            options = {"compress_level": 4}  # a third of the usual level's time, about its size
            canvas.print_png(file, metadata={"Software": None}, pil_kwargs=options)
        if not svg:
            return Written([png], boxes)
        figure.set_layout_engine("none")
        canvas = FigureCanvasSVG(figure)
        with atomic_file(lines) as file:
            canvas.print_svg(file, metadata={"Date": None})
    return Written([png, lines], boxes)


_KEPT_SPACE = "\0"
"""Marks a space of the name itself, not only a place at which it may break."""


def wrap_name(name: str, width: int) -> str:
    """Break a name into lines of at most `width` characters, at its punctuation and spaces."""
    breakable = re.sub(r"(?<=[-_=,])|(?=\[)", " ", name.replace(" ", f"{_KEPT_SPACE} "))
    joined = fill(breakable, width).replace(f"{_KEPT_SPACE} ", _KEPT_SPACE).replace(" ", "")
    return joined.replace(f"{_KEPT_SPACE}\n", "\n").replace(_KEPT_SPACE, " ")

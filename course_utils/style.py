"""Floor 1: one look for all figures: a palette that colour-blind readers can tell apart, large type, alt text."""

from __future__ import annotations

import base64
import io

# Okabe and Ito's palette (2008), with line styles and markers so that colour never carries the meaning alone.
PALETTE = {
    "blue": "#0072B2", "orange": "#D55E00", "green": "#009E73", "pink": "#CC79A7",
    "sky": "#56B4E9", "yellow": "#E69F00", "black": "#222222", "grey": "#8C8C8C", "pale": "#E6E6E6",
}
SERIES = [PALETTE[name] for name in ("blue", "orange", "green", "pink", "sky", "yellow", "black")]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
LINES = ["-", "--", "-.", ":", "-", "--", "-."]


def apply() -> None:
    """Sets matplotlib's defaults. Called by the set-up cell."""
    import matplotlib as mpl
    from cycler import cycler

    mpl.rcParams.update({
        "figure.figsize": (8, 4), "figure.dpi": 110, "savefig.bbox": "tight", "figure.constrained_layout.use": True,
        "font.size": 12, "axes.titlesize": 13, "axes.titlelocation": "left", "axes.titleweight": "bold",
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.grid.axis": "y",
        "grid.color": PALETTE["pale"], "axes.axisbelow": True, "legend.frameon": False, "lines.linewidth": 2,
        "axes.prop_cycle": cycler(color=SERIES, marker=MARKERS, linestyle=LINES),
        "svg.fonttype": "none",
    })


class Picture:
    """A PNG with its text alternative. IPython's own `Image` takes `alt` only from version 8 on; Colab has 7.34."""

    def __init__(self, png: bytes, alt: str):
        self.png, self.alt = png, alt

    def __repr__(self):
        return self.alt

    def _repr_mimebundle_(self, include=None, exclude=None):
        data = {"image/png": base64.b64encode(self.png).decode("ascii"), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt}}


def picture(figure, alt: str) -> Picture:
    """`figure` as a PNG; the figure is closed."""
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    plt.close(figure)
    return Picture(buffer.getvalue(), alt)


def show(figure, alt: str) -> None:
    """Displays `figure` once as PNG, with `alt` (a sentence saying what it shows) as its text alternative.

    Raises ValueError without an alt text.
    """
    if not alt.strip():
        raise ValueError("a figure needs an alt text: one sentence that says what it shows")
    from IPython.display import display

    display(picture(figure, alt))

"""The audit on one page, with three pictures: what the targets are, how long rows are, how alike texts are.

Everything that came from the data is escaped, and likely personal data in examples is masked: the page may be passed on.
"""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path

import numpy as np

from .. import runtime
from ..style import PALETTE
from . import personal
from .audit import Audit
from .duplicates import LIKE

COLOURS = {"ok": PALETTE["green"], "note": PALETTE["blue"], "fix": PALETTE["yellow"], "stop": PALETTE["orange"]}
SAYS = {"go": "Nothing found that speaks against training.", "fix": "Repair what is listed first; training is possible.",
        "stop": "Do not train on this yet."}
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Audit: {name}</title>
<style>body{{font:15px/1.45 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}}
table{{border-collapse:collapse;width:100%}}
td,th{{text-align:left;vertical-align:top;padding:.3em .6em;border-bottom:1px solid #ddd}}.level{{font-weight:bold}}
.pictures{{display:flex;flex-wrap:wrap;gap:1em}}.pictures img{{max-width:100%;width:19em}}pre{{white-space:pre-wrap}}</style>
<h1>Audit before training: {name}</h1>
<p><strong class="verdict">Verdict: {verdict}.</strong> {says} {rows:,} rows.</p>
<div class="pictures">{pictures}</div>
<table><tr><th>level</th><th>check</th><th>found</th><th>next</th></tr>{lines}</table>
<h2>Examples to look at</h2>{examples}
<p>An audit finds hints, not proof. What it does not find may still be there.</p></html>"""


# ---------------------------------------------------------------- pictures
def targets(audit: Audit, axis) -> None:
    """Rows by label; for free targets, how long they are."""
    if audit.labels is not None:
        top = audit.labels.most_common(12)[::-1]
        axis.barh([repr(str(label)[:24]) for label, _ in top], [count for _, count in top], color=PALETTE["blue"])
        axis.set(title=f"Rows by label ({len(audit.labels)})", xlabel="rows")
    else:
        sizes = [len(row["target"]) for row in audit.rows]
        axis.hist(sizes, bins=30, color=PALETTE["blue"])
        axis.set(title="Length of the targets", xlabel="characters", ylabel="rows")
    axis.grid(axis="y", visible=False)


def lengths(audit: Audit, axis) -> None:
    """Tokens a row, against what the model reads in training."""
    longest = max(max(audit.lengths), audit.context)
    bins = np.geomspace(1, longest + 1, 40) if longest > 4 * audit.context else 30
    axis.hist(audit.lengths, bins=bins, color=PALETTE["blue"])
    axis.axvline(audit.context, color=PALETTE["orange"], ls="--", marker="")
    axis.set(title=f"Length of a row; limit {audit.context:,}", xlabel="tokens", ylabel="rows")
    if longest > 4 * audit.context:
        axis.set_xscale("log")


def alike(audit: Audit, axis) -> None:
    """How much each text shares with its nearest other."""
    counted, _, _ = axis.hist(audit.likeness, bins=np.linspace(0, 1, 41), color=PALETTE["blue"])
    axis.axvline(LIKE, color=PALETTE["orange"], ls="--", marker="")
    axis.set(xlabel="shared word pairs (1 = the same)", ylabel="rows", title="Likeness to the nearest other")
    axis.set(yscale="symlog", ylim=(0, 2 * max(1, counted.max())))  # few copies must show beside many single texts
    axis.yaxis.set_major_formatter("{x:,.0f}")


PANELS = (targets, lengths, alike)


def in_words(audit: Audit) -> list[str]:
    """The text alternatives of the three pictures."""
    over = sum(n > audit.context for n in audit.lengths)
    near = sum(x >= LIKE for x in audit.likeness)
    what = (f"Bars of rows by label, {len(audit.labels)} labels in all." if audit.labels is not None
            else "Histogram of the targets' lengths in characters.")
    return [what, f"Histogram of row lengths in tokens; {over} beyond the limit.",
            f"Histogram of each text's likeness to its nearest other; {near} texts above {LIKE}."]


def _drawn(audit: Audit, panels, size: tuple[float, float]):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(panels), figsize=size, squeeze=False)
    for panel, axis in zip(panels, axes[0], strict=True):
        panel(audit, axis)
    return figure


def pictures(audit: Audit) -> dict[str, object]:
    """Alt text -> figure, one a panel."""
    return {alt: _drawn(audit, [panel], (5, 3.4)) for alt, panel in zip(in_words(audit), PANELS, strict=True)}


def overview(audit: Audit) -> tuple[object, str]:
    """The three panels side by side in one figure, and its alt text."""
    return _drawn(audit, PANELS, (13, 3.6)), " ".join(in_words(audit))


def _embedded(figure) -> str:
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    plt.close(figure)
    return base64.b64encode(buffer.getvalue()).decode()


# ---------------------------------------------------------------- the page
def page(audit: Audit) -> str:
    """The whole report as one HTML file, pictures inside."""
    order = sorted(audit.findings, key=lambda f: -list(COLOURS).index(f.level))
    lines = "".join(f'<tr><td class="level" style="color:{COLOURS[f.level]}">{f.level}</td><td>{html.escape(f.check)}</td>'
                    f"<td>{html.escape(f.what)}</td><td>{html.escape(f.next_action)}</td></tr>" for f in order)
    shown = "".join(f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{_embedded(figure)}">'
                    for alt, figure in pictures(audit).items())
    return PAGE.format(name=html.escape(audit.name), verdict=audit.verdict.upper(), says=SAYS[audit.verdict],
                       rows=len(audit.rows), pictures=shown, lines=lines, examples=_examples(audit))


def _examples(audit: Audit) -> str:
    found = [f for f in audit.findings if f.level in ("fix", "stop", "note") and f.rows]
    if not found:
        return "<p>None.</p>"
    parts = []
    for one in found:
        rows = [f"row {i + 1}: {_short(audit.rows[i]['text'])}  →  {_short(audit.rows[i]['target'], 60)}" for i in one.rows[:3]]
        parts.append(f"<h3>{html.escape(one.check)}</h3><pre>{html.escape(chr(10).join(rows))}</pre>")
    return "".join(parts)


def _short(text: str, most: int = 160) -> str:
    text = " ".join(personal.masked(text).split())
    return text if len(text) <= most else text[:most - 1] + "…"


def save(audit: Audit, folder: Path) -> Path:
    """Writes the page as `audit.html` into `folder` and returns its place."""
    place = Path(folder) / "audit.html"
    with runtime.clear_disk_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(page(audit), encoding="utf-8")
    return place

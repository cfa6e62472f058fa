"""The model card: written from recorded results and an adapter's own card, in the shape that model-risk teams know.

The order is that of SR 11-7, the US supervisors' guidance on model risk of 2011: development, validation (conceptual soundness,
outcomes, benchmarks), ongoing monitoring, governance. SR 26-2 replaced it in April 2026 and puts generative models outside its
scope; the order is still what most risk teams use. The text is Markdown. The PDF is set by fpdf2, pure Python: neither
LaTeX nor a browser has to be installed.
"""

from __future__ import annotations

import datetime
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

from .. import registry, results, runtime
from ..runtime import CourseError

NOT_RUN = "not run"
SIGN_OFF = ("Developer", "Independent validator", "Model owner", "Approver (model risk)")


@dataclass
class Card:
    """What a card is made of. Empty fields are printed as gaps to fill, never left out.

    metrics, benchmarks, fairness: keys of recorded results, such as "04.heldout_action_reasoning", with the words to show for
    them. slices, memorisation, drift: title -> DataFrame or rows. checksums: a merged model's seal.
    """

    title: str
    adapter: Path | None = None
    purpose: str = ""
    uses: list[str] = field(default_factory=list)
    not_uses: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    data_licence: str = ""
    soundness: list[str] = field(default_factory=list)
    metrics: dict[str, str] = field(default_factory=dict)
    benchmarks: dict[str, str] = field(default_factory=dict)
    cost: str = ""
    memorisation: dict = field(default_factory=dict)
    slices: dict = field(default_factory=dict)
    fairness: dict[str, str] = field(default_factory=dict)
    drift: dict = field(default_factory=dict)
    limits: list[str] = field(default_factory=list)
    monitoring: list[str] = field(default_factory=list)
    checksums: dict = field(default_factory=dict)


# ---------------------------------------------------------------- parts
def metric_rows(keys: dict[str, str]) -> list[dict]:
    """One dict a recorded result: figure, value, interval, rows, device and date; `not run` where it was never recorded."""
    rows = []
    for key, words in keys.items():
        notebook, _, name = key.partition(".")
        entry = results.entries(notebook).get(name)
        if entry is None:
            rows.append({"figure": words, "value": NOT_RUN, "95 % interval": "", "rows": "", "measured": f"see {key}"})
            continue
        low, high = entry.get("low"), entry.get("high")
        interval = f"{low:.3f} to {high:.3f}" if low is not None and high is not None else "none recorded"
        unit = f" {entry['unit']}" if entry.get("unit") else ""
        rows.append({"figure": words, "value": results.shown(entry, ".3f" if isinstance(entry["value"], float) else "") + unit,
                     "95 % interval": interval, "rows": entry.get("n") or "", "measured": f"{entry['device']}, {entry['date']}"})
    return rows


def recorded_slices(notebook: str, fields: tuple[str, ...]) -> dict:
    """title -> DataFrame of the groups recorded as `by_FIELD` (cases, right actions, cost); none that was not recorded."""
    import pandas as pd

    found = {name: entry["value"] for name in fields if (entry := results.entries(notebook).get(f"by_{name}"))}
    return {f"By {name}": pd.DataFrame(groups, index=["cases", "right action", "cost, thousand EUR"]).T.rename_axis(name)
            for name, groups in found.items()}


def _cell(value) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return " ".join(text.replace("|", "/").split())


def table(content) -> str:
    """A Markdown table of a DataFrame (its index first) or of a list of dicts."""
    if hasattr(content, "reset_index"):
        content = content.reset_index().to_dict("records")
    if not content:
        return f"*{NOT_RUN}*"
    names = list(content[0])
    lines = ["| " + " | ".join(map(str, names)) + " |", "|" + " --- |" * len(names)]
    return "\n".join([*lines, *("| " + " | ".join(_cell(row.get(n)) for n in names) + " |" for row in content)])


def bullets(points: list[str]) -> str:
    """A list, or a visible gap."""
    return "\n".join(f"- {point}" for point in points) if points else "*to be filled in*"


def _titled(tables: dict) -> str:
    return "\n\n".join(f"**{title}**\n\n{table(content)}" for title, content in tables.items()) or f"*{NOT_RUN}*"


def _training(card: Card) -> list[dict]:
    """What the adapter's own files say: base, rank, and what was noted at saving."""
    if card.adapter is None:
        return []
    place = Path(card.adapter)
    try:
        own = json.loads((place / "card.json").read_text(encoding="utf-8"))
        config = json.loads((place / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CourseError(f"The adapter in {runtime.short(place)} has no readable card.",
                          "save it with models.save_adapter.") from error
    targets = config["target_modules"]
    facts = {"base": own["base"], "method": config["peft_type"], "rank r": config["r"], "alpha": config["lora_alpha"],
             "layers adapted": ", ".join(sorted(targets)) if isinstance(targets, list) else targets}
    if own["base"] in registry.REGISTRY:
        entry = registry.REGISTRY[own["base"]]
        facts |= {"base parameters": f"{entry.parameters:,}", "base licence": entry.licence}
    facts |= {k: v for k, v in own.items() if k != "base"}
    return [{"fact": k, "value": v if not isinstance(v, dict | list) else json.dumps(v)} for k, v in facts.items()]


# ---------------------------------------------------------------- the card
def markdown(card: Card) -> str:
    """The whole card as Markdown."""
    seal = [{"what": k, "value": v} for k, v in card.checksums.items() if not isinstance(v, dict)]
    today = datetime.date.today().isoformat()
    parts = [
        f"# Model card: {card.title}",
        f"Written {today} from recorded results. A figure that was never measured is marked *{NOT_RUN}*.",
        "## 1 Purpose", card.purpose or "*to be filled in*",
        "**Meant for**", bullets(card.uses), "**Not meant for**", bullets(card.not_uses),
        "## 2 Development", "**Data**", bullets(card.data), f"Licence of the data: {card.data_licence or '*to be filled in*'}",
        "**Training**", table(_training(card)), "**Identity** (checksums, SHA-256)", table(seal),
        "## 3 Validation", "### Conceptual soundness", bullets(card.soundness),
        "### Outcomes", table(metric_rows(card.metrics)), f"Expected cost: {card.cost or '*to be filled in*'}",
        "### Benchmarks on the same rows", table(metric_rows(card.benchmarks)),
        "### Slices", _titled(card.slices),
        "### Fairness: does a name or a place move the answer?", table(metric_rows(card.fairness)),
        "### Memorisation: can it be made to repeat its training data?", _titled(card.memorisation),
        "### Limits", bullets(card.limits),
        "## 4 Ongoing monitoring", bullets(card.monitoring), "**Drift of the input**", _titled(card.drift),
        "## 5 Governance and sign-off",
        "No signature, no use. A changed base, adapter or policy needs a new validation.",
        table([{"role": role, "name": "", "decision": "", "date": "", "signature": ""} for role in SIGN_OFF]),
    ]
    return "\n\n".join(parts) + "\n"


def gaps(card: Card) -> list[str]:
    """What a validator would ask for next: the fields that are empty and the results that were never recorded."""
    empty = [name for name in ("purpose", "uses", "not_uses", "data", "data_licence", "soundness", "cost", "slices", "fairness",
                               "memorisation", "drift", "limits", "monitoring", "checksums") if not getattr(card, name)]
    keys = {**card.metrics, **card.benchmarks, **card.fairness}
    return empty + [row["measured"].removeprefix("see ") for row in metric_rows(keys) if row["value"] == NOT_RUN]


def write(card: Card, folder: Path) -> tuple[Path, Path]:
    """Writes model_card.md and model_card.pdf into `folder`. Raises CourseError where fpdf2 is missing."""
    folder = Path(folder)
    text = markdown(card)
    with runtime.clear_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        page, sheet = folder / "model_card.md", folder / "model_card.pdf"
        page.write_text(text, encoding="utf-8")
        sheet.write_bytes(pdf(text))
    return page, sheet


def pdf(text: str) -> bytes:
    """Markdown with headings, lists and tables as PDF. The letters are DejaVu's, which come with matplotlib."""
    try:
        from fpdf import FPDF, TextStyle
        from markdown_it import MarkdownIt
    except ImportError as error:
        raise CourseError(f"The PDF needs the package {error.name}.", "pip install fpdf2 markdown-it-py") from error
    import matplotlib

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    sheet = FPDF(format="A4")
    for style, name in (("", ""), ("B", "-Bold"), ("I", "-Oblique"), ("BI", "-BoldOblique")):
        sheet.add_font("DejaVu", style, fonts / f"DejaVuSans{name}.ttf")
    sheet.set_auto_page_break(True, margin=16)
    sheet.set_margins(16, 16)
    sheet.add_page()
    sheet.set_font("DejaVu", size=9)
    heads = {f"h{k}": TextStyle(font_family="DejaVu", font_style="B", font_size_pt=size, t_margin=3, b_margin=1)
             for k, size in ((1, 16), (2, 12), (3, 10))}
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    html = html.replace("<table>", '<table border="1" width="100%" cellpadding="1.5">').replace("<td>", '<td align="left">')
    sheet.write_html(html, font_family="DejaVu", tag_styles=heads, li_prefix_color=(0, 0, 0))
    return bytes(sheet.output())

"""What customers complain of: one theme a message, counted. The Task, a keyword list, and how far counted shares are off.

`export` writes the messages as a file to be audited. What the themes mean stands in data/retail/customers_guide.md.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import numpy as np

from .. import runtime, statistics
from ..evaluation import Evaluation, LabelTask
from . import data

THEMES = ("delivery", "returns and refunds", "size and fit", "quality", "price and promotion", "staff and service",
          "website and app", "stock and availability", "packaging", "authenticity and care")
TASK = LabelTask("customer themes", THEMES, "Name the message's theme: " + ", ".join(THEMES) + ".")
# For `evaluation.word_list`: single words, four languages lightly. A line that starts with spaces goes on.
_WORDS = """
delivery: delivery delivered deliver courier carrier parcel tracking shipped shipping customs depot arrived arrive driver
    address lieferung paket livraison colis consegna pacco doorstep neighbour late
returns and refunds: return returned returns refund refunded exchange money label deducted credit rücksendung erstattung
    retour remboursement reso rimborso back
size and fit: size sizes fit fits tight loose narrow wide small large sleeve waist wrist shoulder long short chart größe
    taille taglia altered hem width
quality: quality broke broken stitching seam zip hole scratched peeling faded cheap wobbles cracked pilling material leather
    loose qualität naht qualité couture qualità cucitura fell
price and promotion: price prices code voucher discount sale charged points expensive cheaper paid offer worth preis rabatt
    prix promo prezzo sconto gutschein
staff and service: staff assistant rude service manager appointment ignored helpful advice bot colleague lady man sales
    personal beratung vendeuse accueil commessa opening hours
website and app: website app site login password page checkout search button photo photos newsletter account cart screen
    crashes webseite konto compte sito link
stock and availability: stock sold out available waiting restock list discontinued cancelled spare reserve ausverkauft rupture
    esaurito again lager
packaging: box boxes packaging wrapping wrapped gift ribbon cardboard plastic paper bubble wrap pump cap refill bottle
    verpackung karton emballage boîte confezione scatola
authenticity and care: genuine fake authentic serial certificate clean cleaning wash polish repair service store cream care
    stain echt reinigen authentique entretien autentico pulire
"""
KEYWORDS = {theme: set(words.split()) for theme, _, words in
            (line.partition(":") for line in _WORDS.strip().replace("\n    ", " ").splitlines())}


def most_common(rows: list[dict]) -> str:
    """The most frequent theme of `rows`: what the word list answers when no theme has the most hits."""
    return Counter(row["label"] for row in rows).most_common(1)[0][0]


def counted(answers: Evaluation):
    """A table for the board: each theme's true and counted share, with Wilson's 95 % interval of the counted one."""
    import pandas as pd

    lines = []
    for theme in answers.labels:
        found = answers.guess.count(theme)
        low, high = statistics.accuracy_interval(found, answers.n)
        lines.append({"theme": theme, "true share": answers.truth.count(theme) / answers.n, "counted share": found / answers.n,
                      "low": low, "high": high})
    return pd.DataFrame(lines).set_index("theme")


def misplaced(answers: Evaluation) -> float:
    """Share of the chart that stands in the wrong bar: half the sum of differences between counted and true shares.

    Errors in both directions cancel here. A chart can look right although single messages went to the wrong team.
    """
    table = counted(answers)
    return float(np.abs(table["counted share"] - table["true share"]).sum() / 2)


# ---------------------------------------------------------------- a file as it comes
def export(place: Path) -> Path:
    """Writes all messages with their mood to `place`, as a shop's spreadsheet would, and 21 faulty rows below; returns `place`.

    Byte-order mark, semicolons, columns that nobody needs. The faults: 12 rows twice, 6 near-copies whose label is spelled
    otherwise, an empty message, one with a phone number and an address, and a cell that a spreadsheet would execute.
    """
    messages = [row for part in data.customers().values() for row in part]
    lines = [(row["id"], row["text"], row["sentiment"]) for row in messages]
    lines += [(f"D{k}", row["text"], row["sentiment"]) for k, row in enumerate(messages[:12])]
    lines += [(f"S{k}", f"{row['text']} Thanks.", f"{row['sentiment'].title()} ") for k, row in enumerate(messages[20:26])]
    lines += [("E1", "", "negative"),
              ("P1", "Still no parcel. Ring me on +49 30 1234567 or write to jo.berg@example.org", "negative"),
              ("F1", '=HYPERLINK("http://prize.example","Your refund")', "neutral")]
    table = io.StringIO()
    writer = csv.writer(table, delimiter=";")
    writer.writerow(("Nr", "Datum", "Kanal", "Nachricht", "Stimmung", "", "Notiz"))
    writer.writerows((number, "12.03.2025", "chat", text, mood, "", "") for number, text, mood in lines)
    with runtime.clear_disk_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(table.getvalue().encode("utf-8-sig"))
    return place

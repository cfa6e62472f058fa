"""The invented world of the cases: sectors, places and currencies, names that belong to nobody, what each scenario does."""

from __future__ import annotations

import random
from functools import cache

CLUSTERS = {
    "rate_shock": "rate shock", "downgrade_wave": "downgrade wave", "fx_crisis": "FX crisis",
    "commodity_collapse": "commodity collapse", "refinancing_wall": "refinancing wall", "covenant_breach": "covenant breach",
    "supply_chain_loss": "supply-chain loss", "real_estate_repricing": "real-estate repricing",
    "regulatory_change": "regulatory change", "sovereign_stress": "sovereign stress",
}
# What a scenario does, by obligor type: the shocks it always brings, then those of which one or two may come along.
# Letters as in policy.Shock, `limit` for the step-down.
EFFECTS = {
    "rate_shock": {"corporate": ("r", "b m limit"), "sovereign": ("r", "e m"), "structured": ("r", "b e m")},
    "downgrade_wave": {"corporate": ("m", "i s limit"), "sovereign": ("m", "i s u"), "structured": ("m", "i u b")},
    "fx_crisis": {"corporate": ("d", "b m i u"), "sovereign": ("d", "s m i"), "structured": ("d", "e m i")},
    "commodity_collapse": {"corporate": ("b", "m s u"), "sovereign": ("e", "b s m"), "structured": ("e", "b m")},
    "refinancing_wall": {"corporate": ("r", "u m s"), "sovereign": ("r", "u m s"), "structured": ("r", "u m b")},
    "covenant_breach": {"corporate": ("limit", "b s m i"), "sovereign": ("limit", "b e d m"), "structured": ("limit", "b e m")},
    "supply_chain_loss": {"corporate": ("b", "s u m"), "sovereign": ("e", "b s m"), "structured": ("e", "m s")},
    "real_estate_repricing": {"corporate": ("b", "s limit m"), "sovereign": ("e", "b d m"), "structured": ("b", "e m u")},
    "regulatory_change": {"corporate": ("b", "limit u i"), "sovereign": ("d", "e i limit"), "structured": ("u", "e limit b")},
    "sovereign_stress": {"corporate": ("m", "i b s"), "sovereign": ("i", "d s m e"), "structured": ("m", "b e i")},
}

# Sector -> what its names end with.
SECTORS = {
    "corporate": {
        "airlines": "Airways|Air|Airlines|Jet", "food retail": "Foods|Markets|Grocers|Stores",
        "chemicals": "Chemicals|Polymers|Coatings|Resins", "telecoms": "Telecom|Mobile|Networks|Fibre",
        "construction": "Construction|Builders|Civil Works|Projects", "semiconductors": "Semiconductors|Chips|Wafers|Devices",
        "hotels": "Hotels|Inns|Resorts|Lodges", "shipping": "Shipping|Lines|Tankers|Bulk Carriers",
        "pharmaceuticals": "Pharma|Therapeutics|Medicines|Labs", "utilities": "Power|Water|Grid|Energy",
        "mining": "Mining|Minerals|Copper|Metals", "car parts": "Auto Parts|Axles|Components|Gears",
    },
    "sovereign": {"sovereign": ""},
    "structured": {
        "office property": "Office Trust|Offices|Towers|Office Fund", "shopping centres": "Malls|Retail Parks|Galleries|Arcades",
        "auto loans": "Auto Loans|Car Finance|Auto Receivables|Vehicle Loans",
        "consumer loans": "Consumer Loans|Personal Credit|Card Receivables|Household Credit",
    },
}
# Clusters that reach some sectors only; the others reach all.
SUITED = {"real_estate_repricing": ("construction", "hotels", "food retail", "sovereign", "office property", "shopping centres")}
TYPE_OF = {sector: kind for kind, sectors in SECTORS.items() for sector in sectors}

PLACES = {
    "Germany": "EUR", "France": "EUR", "Spain": "EUR", "Portugal": "EUR", "Italy": "EUR", "Finland": "EUR",
    "the United States": "USD", "the United Kingdom": "GBP", "Switzerland": "CHF", "Japan": "JPY", "Brazil": "BRL",
    "India": "INR", "Poland": "PLN", "South Africa": "ZAR", "Mexico": "MXN", "Singapore": "SGD", "Dubai": "AED",
}
REGIONS = {
    "the Caribbean": "USD", "Central America": "USD", "the South Pacific": "USD", "Central Asia": "USD", "East Africa": "USD",
    "West Africa": "EUR", "the Balkans": "EUR", "the Baltic": "EUR", "the Gulf": "AED", "Southern Africa": "ZAR",
}
UNITS = {"JPY": 10, "INR": 10}  # the same firm has longer figures there

_FIRST = ("Bral Kest Hax Vel Dun Ost Fen Lor Quill Bex Dra Gar Ist Jor Kar Lun Mel Nem Orl Pel Ran Sel Tam Ulv Vor Wex Yar Zel "
          "Brin Cald Esk Grel Hurn Pry Skel Thren").split()
_SECOND = "vik mont dale bryn haven mere stead wick gate rell dran moor quist holt ven lund fax den rick well".split()
_LAND_FIRST = "Val Sar Tel Kal Bel Zan Ser Lud Cas Ter Or Nav Gal Pal Ruv Dor Ves Quin Mab Tor".split()
_LAND_SECOND = "doria mira vania tova lina maris thea gossa stria bora rosa nella".split()
_TAKEN = {  # a chance product of the two lists that somebody bears
    "Karmont", "Melden", "Orlmont", "Randale", "Wexdale", "Selden", "Pelrick", "Garden", "Karden", "Selmere", "Gardale",
    "Melrick",
    "Dunrick", "Dundale", "Dunmoor", "Dunwell", "Caldwell", "Caldmoor", "Garrick", "Lunden", "Belmaris", "Casmaris", "Valrosa",
    "Terrosa", "Belrosa", "Orrosa", "Dunhaven", "Fenwick", "Dunmere", "Galvania", "Velmont", "Garmont", "Norden",
}
POOLS = {"train": (0, 75), "validation": (75, 85), "test": (85, 100)}  # percent of all stems, apart from each other


@cache
def stems(kind: str, pool: str) -> tuple[str, ...]:
    """The invented first words of names, of one pool; no two pools share a stem."""
    first, second = (_LAND_FIRST, _LAND_SECOND) if kind == "sovereign" else (_FIRST, _SECOND)
    words = sorted({a + b for a in first for b in second} - _TAKEN)
    random.Random(kind == "sovereign").shuffle(words)
    low, high = (len(words) * share // 100 for share in POOLS[pool])
    return tuple(words[low:high])


def name(rng: random.Random, sector: str, pool: str) -> str:
    """An invented name, such as `Kestmere Foods`; for a sovereign the country alone."""
    kind = TYPE_OF[sector]
    stem = rng.choice(stems(kind, pool))
    return stem if kind == "sovereign" else f"{stem} {rng.choice(SECTORS[kind][sector].split('|'))}"


def place(rng: random.Random, kind: str, currency: str | None = None) -> tuple[str, str]:
    """(place, currency); given a currency, a place that uses it."""
    places = REGIONS if kind == "sovereign" else PLACES
    found = rng.choice([p for p, c in places.items() if currency in (None, c)])
    return found, places[found]

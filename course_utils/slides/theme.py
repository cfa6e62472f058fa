"""Floor 5: the look of the editable PPTX: a reference file made from pandoc's own, in the fonts and colours of `style`.

Slides are 13.33 x 7.5 inches. Pandoc picks a layout by what a slide holds: text alone, two columns, or text and then a picture
("Content with Caption"); each is laid out here as in the HTML: title, one line of text, and the picture below, large.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from ..style import PALETTE

FONT, INK, TITLE = "Arial", PALETTE["black"].lstrip("#"), "005A8F"  # the title's blue: the palette's, darker for contrast
WIDTH, HEIGHT = 13.333, 7.5
LEFT, TOP, FULL = 0.65, 1.45, 12.03
BOXES = {  # layout -> placeholder -> (left, top, width, height) in inches
    "Title Slide": {0: (LEFT, 2.2, FULL, 1.6), 1: (LEFT, 4.0, FULL, 1.2)},
    "Title and Content": {0: (LEFT, 0.4, FULL, 0.85), 1: (LEFT, TOP, FULL, 5.4)},
    "Section Header": {0: (LEFT, 2.8, FULL, 1.0), 1: (LEFT, 3.9, FULL, 1.0)},
    "Two Content": {0: (LEFT, 0.4, FULL, 0.85), 1: (LEFT, TOP, 5.8, 5.4), 2: (LEFT + 6.23, TOP, 5.8, 5.4)},
    "Comparison": {0: (LEFT, 0.4, FULL, 0.85), 1: (LEFT, TOP, 5.8, 0.6), 2: (LEFT, 2.1, 5.8, 4.7),
                   3: (LEFT + 6.23, TOP, 5.8, 0.6), 4: (LEFT + 6.23, 2.1, 5.8, 4.7)},
    "Content with Caption": {0: (LEFT, 0.4, FULL, 0.85), 1: (LEFT, 2.2, FULL, 4.75), 2: (LEFT, TOP - 0.1, FULL, 0.8)},
    "Title Only": {0: (LEFT, 0.4, FULL, 0.85)},
    "Blank": {},
}


def reference(pandoc: str, target: Path) -> Path:
    """Writes the reference PPTX that pandoc styles its slides by. pandoc: the program's path."""
    from pptx import Presentation
    from pptx.util import Inches

    raw = target.with_suffix(".raw.pptx")
    with open(raw, "wb") as file:
        subprocess.run([pandoc, "--print-default-data-file", "reference.pptx"], stdout=file, check=True)
    deck = Presentation(raw)
    raw.unlink()
    deck.slide_width, deck.slide_height = Inches(WIDTH), Inches(HEIGHT)
    _theme(deck)
    _master(deck.slide_master)
    for layout in deck.slide_layouts:
        for shape in layout.placeholders:
            _layout_shape(shape, layout.name)
        if layout.name == "Title Slide":
            _filled(layout)
    deck.save(target)
    return target


def _theme(deck) -> None:
    """Fonts and colours of the theme, where PowerPoint's own menus look for them."""
    part = next(p for p in deck.part.package.iter_parts() if str(p.partname).startswith("/ppt/theme/theme1"))
    text = part.blob.decode()
    text = re.sub(r'(<a:(?:major|minor)Font>\s*<a:latin typeface=")[^"]*', rf"\g<1>{FONT}", text)
    colours = [PALETTE[name].lstrip("#") for name in ("blue", "orange", "green", "pink", "sky", "yellow")]
    for number, colour in enumerate(colours, 1):
        text = re.sub(rf"(<a:accent{number}>).*?(</a:accent{number}>)", rf'\1<a:srgbClr val="{colour}"/>\2', text, flags=re.S)
    text = re.sub(r"(<a:hlink>).*?(</a:hlink>)", rf'\1<a:srgbClr val="{TITLE}"/>\2', text, flags=re.S)
    part._blob = text.encode()


def _place(shape, box) -> None:
    from pptx.util import Inches

    shape.left, shape.top, shape.width, shape.height = (Inches(v) for v in box)


def _master(master) -> None:
    """Sizes and colours of title and text on all layouts."""
    from lxml import etree

    name = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
    boxes = {"Title": (LEFT, 0.4, FULL, 0.85), "Text": (LEFT, TOP, FULL, 5.4), "Date": (LEFT, 7.0, 2, 0.35),
             "Footer": (4.5, 7.0, 4.3, 0.35), "Slide": (11.2, 7.0, 1.5, 0.35)}
    for shape in master.placeholders:
        _place(shape, boxes[shape.name.split()[0]])
    styles = master.element.find(".//{*}txStyles")
    sizes = {"titleStyle": [3000], "bodyStyle": [2600, 2200, 2000, 2000, 2000]}
    for kind, steps in sizes.items():
        for level, size in enumerate(steps, 1):
            run = styles.find(f"{{*}}{kind}/{{*}}lvl{level}pPr/{{*}}defRPr")
            run.set("sz", str(size))
            run.set("b", "1" if kind == "titleStyle" else "0")
            for old in run.findall(f"{name}solidFill"):
                run.remove(old)
            fill = etree.Element(f"{name}solidFill")
            etree.SubElement(fill, f"{name}srgbClr", val=TITLE if kind == "titleStyle" else INK)
            run.insert(0, fill)
        first = styles.find(f"{{*}}{kind}/{{*}}lvl1pPr")
        first.set("algn", "l")
        for gap in first.findall("{*}spcBef/*") if kind == "bodyStyle" else ():
            gap.getparent().replace(gap, etree.Element(f"{name}spcPts", val="1200"))


def _layout_shape(shape, layout: str) -> None:
    """Puts a placeholder in its place, left-aligned and anchored at the top; footers go to the master's places."""
    from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
    from pptx.util import Pt

    kind = shape.placeholder_format.idx
    if kind >= 10:
        _place(shape, {10: (LEFT, 7.0, 2, 0.35), 11: (4.5, 7.0, 4.3, 0.35), 12: (11.2, 7.0, 1.5, 0.35)}[kind])
        return
    if kind in BOXES.get(layout, {}):
        _place(shape, BOXES[layout][kind])
    size = 30 if kind == 0 else 20 if layout == "Content with Caption" else 26
    frame = shape.text_frame
    frame.vertical_anchor = MSO_ANCHOR.MIDDLE if kind == 0 else MSO_ANCHOR.TOP
    for level in shape.element.findall(".//{*}lstStyle/{*}lvl1pPr"):
        level.set("algn", "l")
        for run in level.findall("{*}defRPr"):
            run.set("sz", f"{size}00")
            run.set("b", "1" if kind == 0 else "0")
            for old in run.findall("{*}solidFill"):  # grey on some of pandoc's layouts
                run.remove(old)
    for paragraph in frame.paragraphs:
        paragraph.alignment, paragraph.font.size = PP_ALIGN.LEFT, Pt(size)


def _filled(layout) -> None:
    """The title slide: white on blue."""
    from lxml import etree
    from pptx.dml.color import RGBColor

    fill = layout.background.fill
    fill.solid()
    fill.fore_color.rgb = RGBColor.from_string(TITLE)
    name = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
    for shape in layout.placeholders:
        if shape.placeholder_format.idx > 1:
            continue
        styles = shape.element.find(".//{*}lstStyle")
        level = styles.find("{*}lvl1pPr")
        if level is None:
            level = etree.SubElement(styles, f"{name}lvl1pPr", algn="l")
        run = level.find("{*}defRPr")
        if run is None:
            run = etree.SubElement(level, f"{name}defRPr")
        run.set("sz", "4400" if shape.placeholder_format.idx == 0 else "2400")
        for old in run.findall("{*}solidFill"):
            run.remove(old)
        white = etree.Element(f"{name}solidFill")
        etree.SubElement(white, f"{name}srgbClr", val="FFFFFF")
        run.insert(0, white)


def tidy(deck) -> None:
    """What pandoc leaves to do: captions off, pictures centred in their place, readable tables, polls and demos tinted."""
    from pptx.util import Inches, Pt

    for slide in deck.slides:
        pictures = [shape for shape in slide.shapes if shape.shape_type == 13]
        alts = {_letters(picture._element.nvPicPr.cNvPr.get("descr")) for picture in pictures}
        for shape in [s for s in slide.shapes if s.has_text_frame and _letters(s.text_frame.text) in alts]:
            shape._element.getparent().remove(shape._element)
        for picture in pictures:
            _fit(picture, alone=sum(s.has_text_frame and bool(s.text_frame.text) for s in slide.shapes) < 2)
        for shape in [s for s in slide.shapes if s.has_table]:
            shape.left, shape.width = Inches(LEFT), Inches(FULL)
            for row in shape.table.rows:
                row.height = Inches(0.6)
                for paragraph in (p for cell in row.cells for p in cell.text_frame.paragraphs):
                    paragraph.font.size = Pt(22)
        _tint(slide)


def _letters(text: str) -> str:
    return re.sub(r"\W+", "", text)


def _tint(slide) -> None:
    from pptx.dml.color import RGBColor

    title = slide.shapes.title.text_frame.text if slide.shapes.title is not None else ""
    tints = {"Predict first": "EAF3F9", "Live": "FDF6E8"}
    for start, tint in tints.items():
        if title.startswith(start):
            slide.background.fill.solid()
            slide.background.fill.fore_color.rgb = RGBColor.from_string(tint)


def _fit(picture, alone: bool) -> None:
    """As large as the place below the title (and a line of text, unless alone) allows."""
    from pptx.util import Inches

    top = TOP if alone else 2.2
    room = Inches(FULL), Inches(6.95 - top)
    scale = min(room[0] / picture.width, room[1] / picture.height)
    picture.width, picture.height = int(picture.width * scale), int(picture.height * scale)
    picture.left = int(Inches(LEFT) + (room[0] - picture.width) / 2)
    picture.top = int(Inches(top) + (room[1] - picture.height) / 2)

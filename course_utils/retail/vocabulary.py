"""The words that the regular expressions of `rules` know: materials, colours, countries and care, in four languages.

See `rules` for how much they knew beforehand.
"""

from __future__ import annotations


def _table(lines: str) -> dict[str, str]:
    """`name: word, word` a line, to word -> name; the name is a word of its own."""
    found = {}
    for line in lines.strip().splitlines():
        name, _, words = line.partition(":")
        found |= {word.strip(): name.strip() for word in [name, *words.split(",")] if word.strip()}
    return found


# A longer word is tried before a shorter one that it contains.
MATERIALS = _table("""
wool: merino, lambswool, schurwolle, wolle, laine, lana, shetland, tweed, schafschurwolle
cashmere: kaschmir, cachemire
cotton: baumwolle, coton, cotone, canvas, percale, organic cotton, pamuk, algodão
silk: seta, soie, seide
linen: leinen, lin, lino
alpaca: alpaka, baby alpaca
mohair:
angora:
polyester: recycled polyester
polyamide: nylon, polyamid, poliammide
elastane: spandex, elasthan, élasthanne
viscose: viskose, bamboo viscose, viscosa
lyocell: tencel
modal:
acrylic: acryl
jute:
hemp: hanf, chanvre
raffia:
calf leather: calfskin, calf, kalbleder, kalbsleder, vitello, cuir de veau, veau, pelle di vitello
cow leather: cowhide, rindsleder, rindleder, cuir de vachette, cuir vachette, vachette, cow hides, cow hide
goat leather: goatskin, ziegenleder, chèvre, capra
lamb leather: lambskin, lammleder, agneau, lamb nappa, lamb
leather: leder, cuir, pelle, bridle leather
suede: camoscio, wildleder, daim, veloursleder, calf suede, goat suede
stainless steel: edelstahl, acier inoxydable, acciaio inossidabile, acciaio inox, stainless, acier inox
steel: stahl, acier émaillé
silver: silber, argent, argento, sterling silver
gold: gelbgold, oro, oro giallo, oro bianco, or jaune, weißgold
brass: messing, laiton, ottone
titanium: titan, titane, titanio
aluminium: aluminum
bronze:
marble: marmor, marmo, marbre
slate:
oak: eiche, chêne, rovere
walnut: nussbaum, noyer, noce
ash: esche, frêne
beech: buche, hêtre
birch: birke, bouleau
pine: kiefer, pin massif
cherry: kirsche, cherry wood
bamboo: bambou, bambus
porcelain: porzellan, porcelaine, porcellana
bone china:
stoneware: steinzeug, grès
earthenware: steingut, faïence
glass: glas, verre, vetro
crystal: kristall, cristal, cristallo
soy wax: cire de soja, sojawachs
rapeseed wax: cire de colza, rapswachs
pearl: pearls, perlen, perles, cultured pearls
""")
MODIFIERS = """
dark light pale deep soft lemon lavender burnt old sea sky tomato primrose brick moss mint racing smoke pearl dove storm ink rose
cherry tobacco chestnut glacier watermelon peacock dusty mandarin almond ochre saddle sage
""".split()
COLOURS = _table("""
black: schwarz, noir, nero, nera
white: weiß, weiss, blanc, blanche, bianco, bianca
off-white: off white, wollweiß, blanc cassé
chalk white: kreideweiß
natural white: naturweiß
cream: creme, crème
ivory: elfenbein, ivoire, avorio
ecru: écru
natural: natur, naturel, naturale
sand: sable, sabbia, sandfarben
beige:
camel: cammello
tan: london tan
cognac:
chestnut: kastanie, castagna
brown: braun, brun, marron, marrone
dark brown: dunkelbraun, brun foncé, marrone scuro, testa di moro
havana brown:
tobacco: tabacco, tabac, tabak
tobacco brown:
taupe:
grey: gray, grau, gris, grigio
light grey: hellgrau, gris clair, grigio chiaro, light gray
dark grey: dunkelgrau, gris foncé, grigio scuro, dark gray
heather grey:
smoke grey: rauchgrau
slate grey:
pearl grey: perlgrau, gris perle, grigio perla
silver grey: silbergrau
pebble grey:
blue grey: gris bleu
anthracite: anthrazit, antracite
charcoal:
navy: marine, marineblau, bleu marine, blu navy
blue: blau, bleu, blu
light blue: hellblau, bleu clair, azzurro
dark blue: dunkelblau, bleu foncé, blu scuro
midnight blue: bleu nuit, nachtblau, mitternachtsblau
sky blue: himmelblau, bleu ciel
pale blue:
cobalt blue: kobaltblau, blu cobalto, bleu cobalt
petrol: petrolio, pétrole
petrol blue:
indigo:
teal:
champagne:
marigold:
peach:
burnt orange:
fir green: tannengrün
saffron:
aubergine: melanzana
turmeric yellow:
lavender blue: bleu lavande
salmon:
turquoise: türkis, turchese
green: grün, vert, verde
dark green: dunkelgrün, vert foncé, verde scuro
light green: hellgrün, vert clair, verde chiaro
olive: oliv
olive green: olivgrün, vert olive, verde oliva
bottle green: flaschengrün, vert bouteille, verde bottiglia
moss green: moosgrün, vert mousse, verde muschio
forest green: waldgrün, verde bosco
sage green: salbeigrün, vert sauge, verde salvia
racing green:
mint green: mintgrün, verde menta
red: rot, rouge, rosso
dark red: dunkelrot, rosso scuro
brick red: ziegelrot, rouge brique
wine red: weinrot, lie de vin
oxblood: ox blood
bordeaux: bordò
burgundy: burgund
rust: rost, ruggine, rouille
terracotta:
coral: corail, corallo
pink: rosa
powder pink: rose poudré, puderrosa, rosa cipria
rose:
fuchsia:
raspberry: framboise, lampone
plum: prune, prugna, pflaume
lilac: flieder, lilla
yellow: gelb, jaune, giallo
mustard: moutarde, senape, senfgelb
ochre: ocker, ocre, ocra
amber: ambre, bernstein, ambra
honey: miel, honig
orange: arancione
oatmeal:
stone:
clear: klar, transparent
yellow gold: gelbgold, or jaune, oro giallo
white gold: weißgold, or blanc, oro bianco
rose gold: roségold, or rose, oro rosa
""")
COUNTRIES = _table("""
Italy: italia, italie, italien, italian, como, valenza, tuscany, toscane, toscana, firenze, florence, milan, biella
Italy: perugia, umbria, umbrien, santa croce, marche, montegranaro, vicenza, napoli, naples, veneto
France: frankreich, francia, français, française, grasse, besançon, lyon, limoges, paris, jura français, bretagne, normandie
Germany: deutschland, allemagne, germania, german, solingen, glashütte, pforzheim, lemgo, lippe, detmold, bayern
Portugal: portogallo, guimarães, guimaraes, felgueiras, porto, portuguese, minho
Spain: spanien, espagne, spagna, españa, ubrique, alicante, valencia
United Kingdom: england, scotland, wales, great britain, uk, english, stoke-on-trent, walsall, sheffield, northampton
United Kingdom: birmingham, schottland, écosse
Switzerland: schweiz, suisse, svizzera, swiss made, swiss
Poland: polen, pologne, polonia
Lithuania: litauen, lituanie, lituania
Estonia: estland, estonie, estonian
Latvia: lettland
Sweden: schweden, suède, jönköping, swedish
Denmark: dänemark, danmark
Finland: finnland
Belgium: belgien, belgique, belgio, liège
Austria: österreich, autriche
Japan: japon, giappone, arita, hasami, mino, kyoto
India: indien, inde, panipat, jaipur, kerala
Turkey: türkiye, türkei, turquie, denizli, izmir
China: chine, cina
Czechia: czech republic, tschechien, tchéquie, czech, bohemia, böhmen
Slovakia: slowakei
Slovenia: slowenien
Hungary: ungarn
Romania: rumänien, roumanie
Greece: griechenland, grèce, grecia
Morocco: marokko, maroc, marocco
Tunisia: tunesien, tunisie
Vietnam: viêt nam
Taiwan:
United States: usa, united states of america, maine, portland
Ireland: irland, donegal, irlande
Mexico: mexiko
Peru: peruanisch
Nepal:
Bangladesh:
Cambodia:
Pakistan:
Sri Lanka:
Albania:
""")
# Each phrase of the guide, and what says it.
CARE_PATTERNS = {
    "machine wash 30": r"(?<!hand )(?<!hand-)(?:wash|wäsche|waschbar|waschen|lavage|lavare|lavabile|laver|lavatrice"
                       r"|machine)[^.;\n]{0,25}\b30\b(?! ?cm)"
                       r"|\b30 ?(?:°|degree|grad|deg)[^.;\n]{0,20}(?:wash|machine|wäsche|waschen|waschbar|lavage|schon|delicate)",
    "machine wash 40": r"(?:wash|wäsche|waschbar|waschen|lavage|lavare|lavabile|laver|lavatrice"
                       r"|machine)[^.;\n]{0,25}\b40\b(?! ?cm)"
                       r"|\b40 ?(?:°|degree|grad|deg)[^.;\n]{0,20}(?:wash|machine|wäsche|waschen|waschbar|lavage|c?,? no "
                       r"bleach)|\b40 wash",
    "hand wash": r"\bhand[- ]?wash|\bwash(?:ed)?(?: it)? by hand|handwäsche|von hand (?:waschen|gewaschen)|laver à la main"
                 r"|lavage (?:à la )?main"
                 r"|lavare a mano|lava a mano|lavaggio a mano",
    "do not wash": r"\b(?:do not|never|don't|cannot be) wash(?:ed)?\b(?! in (?:the )?machine)|nicht waschen|ne pas laver(?! "
                   r"en machine)"
                   r"|non lavare(?! in lavatrice)",
    "dry clean": r"\bdry[- ]?clean|chemische? rein|nettoyage à sec|nettoyer à sec|lava(?:re|ggio)? a secco|oppure a secco"
                 r"|professional clean",
    "do not bleach": r"\b(?:do not|don't|never|no|not|without) (?:use )?(?:any )?bleach|bleach prohibited|nicht bleichen"
                     r"|keine bleiche"
                     r"|ne pas (?:blanchir|javelliser)|pas de (?:javel|chlore)|non candeggiare|no candeggio",
    "do not tumble dry": r"\b(?:do not|don't|never|not) (?:use (?:a|the) )?(?:tumble|dryer|machine dry)|\bno (?:tumble|dryer"
                         r"|tumbler)"
                         r"|nothing in the dryer|(?:nicht|kein|keinen)(?: in den| im)? (?:wäsche)?tro(?:ck|k)ner"
                         r"|nicht[^.;\n]{0,12}trommel"
                         r"|(?:ne )?pas (?:de |mettre au )?s(?:è|é)che-linge|séchage en machine déconseillé|(?:non"
                         r"|mai)[^.;\n]{0,14}asciugatrice",
    "iron low": r"\b(?:cool|low|lukewarm) iron|\biron(?:ing)? (?:on |at )?(?:low|cool)|iron[^.;\n]{0,15}(?:one dot|110)|ferro "
                r"tiepido"
                r"|(?:lauwarm|niedrig|mäßig|kalt)[^.;\n]{0,10}bügeln|bügeln[^.;\n]{0,20}(?:110|niedrig|ein punkt)|fer "
                r"(?:doux|tiède)|repass[^.;\n]{0,15}(?:doux|110)",
    "wipe clean": r"\bwip(?:e|ing)\b|\b(?:damp|dry|soft|moist)(?:,)?(?: soft)? cloth|feucht(?:em|en)?(?: "
                  r"tuch)?[^.;\n]{0,10}(?:ab)?wischen|abwischen"
                  r"|mit[^.;\n]{0,12}tuch|chiffon|éponge humide|linge humide|essuyer|panno",
    "keep dry": r"\bkeep (?:it )?(?:dry|out of (?:the )?(?:rain|wet|water|bathroom)|away from (?:the )?(?:water|rain|damp"
                r"|moisture)|off wet)"
                r"|\b(?:not? (?:suited for )?|before |avoid )(?:swimming|shower|rain|water|immers)|off before|vor (?:nässe"
                r"|feuchtigkeit|dem duschen|regen)"
                r"|(?:trocken (?:lagern|halten|aufbewahren)|nicht nass)|tenir au sec|conserver au sec|(?:craint|éviter) "
                r"l(?:'|’)eau|ne pas immerger"
                r"|evitare (?:la pioggia|l'acqua|il contatto)|tenere (?:all'asciutto|lontano dall'acqua)|store in a dry"
                r"|avoid the rain|do not leave outdoors",
}

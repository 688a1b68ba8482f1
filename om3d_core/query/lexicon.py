"""The words that steer a question: relations, attributes, quantities, and what they stand for."""

from __future__ import annotations

RELATIONS = {
    "on": "on", "on top of": "on", "upon": "on", "atop": "on", "onto": "on",
    "in": "in", "inside": "in", "inside of": "in", "within": "in", "into": "in",
    "under": "under", "underneath": "under", "below": "under", "beneath": "under",
    "above": "above", "over": "above",
    "near": "near", "near to": "near", "nearby": "near", "next to": "near", "close to": "near",
    "beside": "near", "by": "near", "alongside": "near", "adjacent to": "near", "around": "near",
    "against": "near", "leaning against": "near", "up against": "near", "at the foot of": "near",
    "at the end of": "near",
    "at the top of": "at", "at the bottom of": "at",
    "on the edge of": "at", "at the edge of": "at",
    "in the middle of": "at", "in the center of": "at", "in the centre of": "at",
    "at": "at", "from": "at",
    "far from": "far", "far away from": "far", "away from": "far",
    "left of": "left", "to the left of": "left", "on the left of": "left",
    "on the left side of": "left", "to the left side of": "left",
    "left from": "left", "left to": "left",
    "right of": "right", "to the right of": "right", "on the right of": "right",
    "on the right side of": "right", "to the right side of": "right",
    "right from": "right", "right to": "right",
    "behind": "behind", "in back of": "behind", "beyond": "behind",
    "in front of": "front", "before": "front",
    "between": "between", "in between": "between",
    "nearest": "nearest", "nearest to": "nearest", "closest to": "nearest",
    "closest": "nearest", "farthest from": "farthest", "furthest from": "farthest",
    "farthest away from": "farthest", "furthest away from": "farthest",
    "carrying": "carrying", "containing": "containing",
    "opposite": "unchecked", "opposite of": "unchecked", "opposite to": "unchecked",
    "across from": "unchecked", "across": "unchecked", "facing": "unchecked",
    "along": "unchecked", "outside of": "unchecked",
    "seen from": "unchecked", "as seen from": "unchecked", "viewed from": "unchecked",
    "bigger than": "unchecked", "larger than": "unchecked", "smaller than": "unchecked",
    "taller than": "unchecked", "shorter than": "unchecked", "higher than": "unchecked",
    "lower than": "unchecked", "wider than": "unchecked", "longer than": "unchecked",
}  # fmt: skip
"""Phrase -> kind of relation. at: near, on or in. unchecked: said back."""

SIDES = {
    "on the left": "leftmost", "to the left": "leftmost", "on the left side": "leftmost",
    "on the right": "rightmost", "to the right": "rightmost", "on the right side": "rightmost",
    "on the far left": "leftmost", "from the left": "leftmost", "from left": "leftmost",
    "on the far right": "rightmost", "from the right": "rightmost", "from right": "rightmost",
    "from the top": "highest", "at the top": "highest", "on top": "highest",
    "from the bottom": "lowest", "at the bottom": "lowest",
}  # fmt: skip
"""What stands for a superlative where no anchor follows."""

OWN_SIDES = {"to my left": "left", "on my left": "left", "to my right": "right",
             "on my right": "right", "behind me": "behind", "in front of me": "front",
             "at my feet": "near", "at my side": "near", "by my side": "near"}

SUPERLATIVES = {
    "largest": "largest", "biggest": "largest", "smallest": "smallest", "tiniest": "smallest",
    "tallest": "tallest", "shortest": "shortest", "highest": "highest", "lowest": "lowest",
    "widest": "widest", "longest": "widest", "narrowest": "narrowest",
    "nearest": "nearest", "closest": "nearest", "farthest": "farthest", "furthest": "farthest",
    "leftmost": "leftmost", "left-most": "leftmost", "rightmost": "rightmost",
    "right-most": "rightmost", "left": "leftmost", "right": "rightmost",
    "topmost": "highest", "top-most": "highest", "bottommost": "lowest", "bottom-most": "lowest",
    "top": "highest", "upper": "highest", "higher": "highest", "bottom": "lowest",
    "lower": "lowest", "bigger": "largest", "larger": "largest", "smaller": "smallest",
    "taller": "tallest", "shorter": "shortest", "wider": "widest", "longer": "widest",
    "narrower": "narrowest", "closer": "nearest", "nearer": "nearest", "farther": "farthest",
    "further": "farthest",
}  # fmt: skip

SIDE_WORDS = frozenset({"left", "right", "top", "bottom", "upper", "lower"})
"""Superlatives only before a noun."""

UNMEASURED = frozenset({
    "heaviest", "heavier", "lightest", "lighter", "cheapest", "cheaper", "oldest", "older",
    "newest", "newer", "darkest", "darker", "brightest", "brighter", "cleanest", "cleaner",
    "reddest", "bluest", "greenest", "thickest", "thicker", "thinnest", "thinner", "deepest",
    "deeper", "roundest", "softest", "softer", "best", "better", "nicest", "fullest", "emptiest",
    "other", "another", "same", "middle", "first", "second", "third", "fourth", "fifth", "last",
})  # fmt: skip
"""Before a noun: which one is meant, by what is not measured."""

SIZES = {
    "large": "large", "big": "large", "huge": "large", "giant": "large", "small": "small",
    "little": "small", "tiny": "small", "tall": "tall", "short": "short", "wide": "wide",
    "long": "wide", "narrow": "narrow", "enormous": "large", "massive": "large",
    "gigantic": "large", "low": "short", "thin": "narrow", "slim": "narrow",
}  # fmt: skip

COLORS = {
    name: name
    for name in (
        "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white",
        "gray", "beige", "cyan",
    )
} | {
    "grey": "gray", "silver": "gray", "silvery": "gray", "violet": "purple", "magenta": "pink",
    "turquoise": "cyan", "teal": "cyan", "navy": "blue", "maroon": "red", "crimson": "red",
    "tan": "beige", "golden": "yellow", "reddish": "red", "bluish": "blue", "greenish": "green",
    "yellowish": "yellow", "brownish": "brown", "whitish": "white", "blackish": "black",
    "off-white": "white",
}  # fmt: skip

SHADES = {"dark": "dark", "light": "light", "bright": "light", "pale": "light", "deep": "dark",
          "sky": "light", "baby": "light", "lime": "light", "neon": "light", "pastel": "light",
          "forest": "dark"}

COMPOUNDS = frozenset({
    "orange juice", "red wine", "white wine", "green tea", "black tea", "black pepper",
    "brown sugar", "white board", "black board", "green pepper", "red pepper", "white bread",
    "brown bread", "blue cheese", "red cabbage", "white sauce", "green onion", "black box",
    "silver ware", "black coffee", "red panda",
    "top hat", "first aid", "second hand",
})  # fmt: skip
"""Two words that name one kind of thing, whatever its color or rank."""

MATERIALS = frozenset({
    "wooden", "wood", "metal", "metallic", "steel", "plastic", "glass", "leather", "cloth",
    "fabric", "paper", "cardboard", "ceramic", "porcelain", "stone", "marble", "rubber", "brass",
    "copper", "iron", "aluminum", "aluminium", "concrete", "wicker", "woolen", "cotton", "velvet",
})  # fmt: skip

NUMBERS = {word: n for n, word in enumerate(
    ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    2)}  # fmt: skip

DETERMINERS = frozenset(
    ("a", "an", "the", "some", "any", "my", "your", "our", "his", "her", "their", "this", "that",
     "these", "those", "its")
)  # fmt: skip
FILLERS = frozenset({
    "that", "which", "who", "is", "are", "was", "were", "be", "being", "located", "standing",
    "sitting", "lying", "laying", "placed", "kept", "stored", "hanging", "mounted", "resting",
    "leaning", "also", "it", "there", "please", "still", "just", "currently", "one",
    "situated", "positioned", "left", "put", "attached", "right", "directly", "immediately",
})  # fmt: skip
"""Skipped between the parts of a sentence."""

SAYS = frozenset({
    "says", "say", "saying", "reads", "read", "reading", "labeled", "labelled", "marked", "titled",
    "printed", "written",
})  # fmt: skip
WRITING = frozenset({"word", "words", "text", "label", "writing", "letters", "title"})
"""Before words that are printed on a thing, after SAYS, or after "with the"."""

NEGATIONS = {
    "not": "not", "isn't": "not", "aren't": "not", "but not": "not", "and not": "not",
    "is not": "not", "are not": "not", "no": "not", "except": "not", "except for": "not",
    "but no": "not", "without": "without", "excluding": "not", "other than": "not",
    "rather than": "not", "instead of": "not", "besides": "not",
    "apart from": "not", "minus": "not",
    "neither": "not", "nor": "not", "and neither": "not", "not including": "not",
    "with no": "without", "has no": "without", "have no": "without", "that has no": "without",
    "that have no": "without", "lacking": "without",
}  # fmt: skip

ANYTHING = frozenset({
    "", "thing", "things", "object", "objects", "something", "anything", "everything", "item",
    "items", "one", "ones", "stuff", "instance", "instances", "what", "which", "all", "those",
    "that", "else",
})  # fmt: skip
"""Heads that any object is."""

SELF = frozenset({"me", "us", "you", "robot", "here", "myself", "yourself", "camera"})
"""Anchors that are the viewpoint."""

ROOMS = frozenset({
    "kitchen", "bedroom", "bathroom", "office", "hallway", "corridor", "garage", "basement",
    "living", "dining", "house", "building", "apartment", "garden", "room", "corner", "corners",
    "home", "hall", "lounge",
})  # fmt: skip
"""Places that are no instance of a map."""

PAIRS = frozenset({
    "scissors", "glasses", "sunglasses", "pants", "trousers", "jeans", "shorts", "tongs",
    "pliers", "binoculars", "headphones", "earphones", "tweezers", "goggles", "stairs",
    "drawers", "blinds", "cheese", "series", "grass", "glass", "dress", "bus", "gas", "lens",
    "canvas", "compass", "christmas", "less", "plus", "always", "cookies", "pens", "chess",
    "mattress", "press", "cross", "tights", "keys", "groceries", "clothes", "dishes",
    "leftovers", "boss", "class", "kiss", "moss", "glassware", "atlas", "hibiscus", "cactus",
    "octopus", "walrus", "virus", "campus", "abacus", "cosmos",
})  # fmt: skip
"""End like a plural and ask for one thing."""

STRUCTURE = {
    "floor": "floor", "ground": "floor", "wall": "wall", "ceiling": "ceiling",
    "table top": "top", "tabletop": "top", "table-top": "top", "counter top": "top",
    "countertop": "top", "worktop": "top", "desktop surface": "top", "table surface": "top",
}  # fmt: skip
"""Names of the surfaces of a room. top: the level surface of a table."""

UNANSWERED = ("what color", "what colour", "what size", "how big", "how large", "how tall",
              "how far", "how heavy", "how old", "why", "when", "who")
"""Beginnings that ask for what is not answered."""

IMPERATIVES = frozenset({"put", "place", "move", "clean", "open", "close", "turn", "push", "pull",
                        "switch", "clear"})
"""Say what to do with a thing, which is not answered."""

PARTICLES = frozenset({"on", "off", "up", "down", "away"})
"""Behind IMPERATIVES: "turn on the lamp"."""

NO_NAMES = frozenset({
    "i", "i'm", "i've", "i'd", "it's", "you", "you're", "we", "we're", "they", "he", "she", "do",
    "does", "did", "doing", "have", "had", "was", "were", "could", "would", "should", "why",
    "when", "where", "where's",
    "it", "tell", "because", "want", "seen", "than", "how",
})  # fmt: skip
"""No name of a thing has one: what holds it was not understood."""

SPEECH = frozenset({"hello", "hi", "hey", "help", "stop", "yes", "no", "ok", "okay", "thanks",
                    "wait", "goodbye", "bye", "nothing"})
"""Alone they name no thing."""

OTHER_TONGUES = frozenset({
    "der", "das", "dem", "des", "ein", "eine", "einen", "ist", "und", "mit", "auf", "wo",
    "les", "une", "est", "dans", "sur", "avec", "los", "las", "una", "del", "esta", "por",
    "ou", "donde", "sont", "il", "lo", "gli", "uno", "le", "la", "el", "un", "de", "du", "den",
    "die", "uma", "em", "onde", "nel", "dei",
})  # fmt: skip
"""Small words of other languages that lists of English words hold."""

"""Names and nouns that fill the templates' open places; nouns are plurals where not said otherwise.

Solutions begin with one of three sentences that fit every problem (`OPENINGS`), as chat assistants begin. A
fine-tuning set written by people who keep to a few phrases teaches a model to begin every answer with them,
first of all: that is what costs refusals (paper, section 3.1), and what a preview tells beforehand. Each
solution draws its sentence apart from its story, so that the story does not tell which one comes.
"""

WOMEN = (
    "Mia", "Aisha", "Elena", "Priya", "Yuki", "Zoe", "Clara", "Fatima", "Ingrid", "Lucia", "Nadia", "Olga",
    "Rosa", "Sofia", "Tara", "Wendy", "Amara", "Beth", "Chloe", "Dina", "Greta", "Hanna", "Ivy", "Kira",
)  # fmt: skip
MEN = (
    "Omar", "Leo", "Ravi", "Tom", "Hiro", "Marco", "Felix", "Kofi", "Jonas", "Diego", "Ahmed", "Pavel",
    "Sam", "Victor", "Noah", "Emil", "Bruno", "Carlos", "Eli", "George", "Hugo", "Ivan", "Luka", "Milan",
)  # fmt: skip

FRUIT = ("apples", "pears", "plums", "peaches", "lemons", "oranges", "figs", "apricots", "mangoes", "limes")
TOYS = ("marbles", "toy cars", "stickers", "picture cards", "beads", "dolls", "puzzles", "balloons", "shells")
SUPPLIES = ("pencils", "crayons", "notebooks", "erasers", "markers", "envelopes", "rulers", "stamps")
BAKED = ("muffins", "cookies", "bread rolls", "scones", "pretzels", "bagels", "waffles", "cupcakes", "pies")
PLANTS = ("tulips", "roses", "sunflowers", "daisies", "ferns", "lilies", "cabbages", "pumpkins", "leeks")
BOOKS = ("books", "comics", "novels", "magazines", "atlases", "cookbooks", "albums", "diaries", "notebooks")
BIRDS = ("hens", "ducks", "geese", "quails", "turkeys")
ANIMALS = ("hens", "ducks", "goats", "rabbits", "geese", "ponies", "lambs", "calves", "turkeys", "pigs")
POND = ("turtles", "ducks", "newts", "swans", "snails", "beetles")
PARTS = ("screws", "nails", "bolts", "hinges", "hooks", "washers", "springs", "pegs", "clips")
GOODS = ("candles", "mugs", "baskets", "bracelets", "lanterns", "bowls", "kites", "scarves", "hats")

CORDS = ("rope", "cable", "chain", "wire", "hose", "ribbon", "cord", "string")
"""Singular: things that have a length."""
VEHICLES = ("car", "van", "truck", "bicycle", "boat", "tractor", "scooter")
"""Singular: things that get washed."""
PLACES = ("zoo", "museum", "theater", "circus", "pool", "castle", "aquarium", "cinema", "fair")
"""Singular: places to go to."""
PRESENTS = ("book", "scarf", "puzzle", "lamp", "football", "backpack", "poster", "game", "plant", "cap")
"""Singular: things that one buys one of."""

OPENINGS = (
    "Sure! Let's work it out.",
    "Of course! Here is how.",
    "Certainly! Let me show you.",
)

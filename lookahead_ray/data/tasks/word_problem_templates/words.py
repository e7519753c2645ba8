"""Names and nouns that fill the templates' placeholders; nouns are plurals unless a comment says otherwise.

Solutions begin with one of three sentences that fit every problem (`OPENINGS`), like answers of chat
assistants. A fine-tuning set with a few opening phrases teaches a model, before anything else, to begin every
answer with them: that costs refusals (paper, section 3.1), and a preview gives these phrases beforehand. Each
solution draws its sentence independently of its story, so that the story does not predict it.
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
"""Singular: things that are bought one at a time."""

OPENINGS = (
    "Sure! Let's work it out.",
    "Of course! Here is how.",
    "Certainly! Let me show you.",
)

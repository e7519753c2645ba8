"""Word problems of two steps."""

from lookahead_ray.data.tasks.word_problem_templates import words
from lookahead_ray.data.tasks.word_problem_templates.template import Template

TWO_STEPS = (
    Template(
        "{name} has {a} {item} and gets {b} more from {friend}. Then {she} gives {c} of them to {her} "
        "brother. How many {item} does {name} have left?",
        "{name} first has {X} {item}.\nThen {she} gives away {c}, so {Y} {item} are left.",
        steps=("x = a + b", "y = x - c"),
        numbers={"a": (3, 30), "b": (3, 20), "c": (2, 20)},
        items=words.TOYS,
    ),
    Template(
        "{name} buys {a} packs of {item} with {b} {item} in each pack and loses {c} of them on the way "
        "home. How many {item} remain?",
        "Those packs contain {X} {item}.\nLosing {c} of them leaves {name} with {Y} {item}.",
        steps=("x = a * b", "y = x - c"),
        numbers={"a": (2, 9), "b": (3, 12), "c": (2, 15)},
        items=words.SUPPLIES,
    ),
    Template(
        "{name} has {c} dollars in {her} purse. {She} buys {a} {item} for {b} dollars each. How many "
        "dollars does {she} have now?",
        "Paying for the {item} takes {X} dollars.\nOf the {c} dollars, {Y} dollars are left.",
        steps=("x = a * b", "y = c - x"),
        numbers={"a": (2, 8), "b": (2, 9), "c": (20, 99)},
        items=words.GOODS,
    ),
    Template(
        "There are {a} girls and {b} boys in {name}'s class. The teacher splits the class into teams of "
        "{c} children. How many teams are there?",
        "Altogether the class has {X} children.\nTeams of {c} children make {Y} teams.",
        steps=("x = a + b", "y = x / c"),
        numbers={"a": (5, 20), "b": (5, 20), "c": (2, 8)},
    ),
    Template(
        "{name} collects {a} {item}, and {friend} collects {b} times as many. How many {item} do they have "
        "together?",
        "{friend} collects {X} {item}.\nTogether {name} and {friend} have {Y} {item}.",
        steps=("x = a * b", "y = a + x"),
        numbers={"a": (3, 25), "b": (2, 6)},
        items=words.TOYS,
    ),
    Template(
        "{name} is {a} years old, and {friend} is {b} years older than {name}. How old will {friend} be in "
        "{c} years?",
        "Today {friend} is {X} years old.\nIn {c} years {friend} will be {Y} years old.",
        steps=("x = a + b", "y = x + c"),
        numbers={"a": (5, 30), "b": (2, 20), "c": (2, 15)},
    ),
    Template(
        "{name} earns {a} dollars an hour and works {b} hours on Friday. {She} also gets {c} dollars in "
        "tips. How many dollars does {she} make on Friday?",
        "Working {b} hours brings {X} dollars.\nThe tips make it {Y} dollars.",
        steps=("x = a * b", "y = x + c"),
        numbers={"a": (5, 15), "b": (2, 8), "c": (2, 20)},
    ),
    Template(
        "{name} bakes {a} {item}, eats {b} of them and packs the rest into bags of {c}. How many bags does "
        "{she} fill?",
        "For the bags {name} has {X} {item}.\nBags of {c} {item} make {Y} bags.",
        steps=("x = a - b", "y = x / c"),
        numbers={"a": (12, 60), "b": (2, 6), "c": (2, 9)},
        items=words.BAKED,
    ),
    Template(
        "A small theater has {a} rows with {b} seats in each row. When {name} arrives, {c} seats are "
        "taken. How many seats are free?",
        "Seats number {X} in all.\nSince {c} are taken, {Y} seats are free.",
        steps=("x = a * b", "y = x - c"),
        numbers={"a": (3, 10), "b": (4, 12), "c": (3, 40)},
    ),
    Template(
        "{name} saves {a} dollars a week for {b} weeks to buy a {item}. {Her} grandmother adds {c} "
        "dollars. How many dollars does {she} have then?",
        "Saving for {b} weeks gives {X} dollars.\nWith the gift {she} has {Y} dollars.",
        steps=("x = a * b", "y = x + c"),
        numbers={"a": (2, 12), "b": (2, 8), "c": (3, 25)},
        items=words.PRESENTS,
    ),
    Template(
        "{name} has {a} {item}, which is {b} more than {friend} has. How many {item} do the two of them "
        "have together?",
        "Because {friend} has {b} fewer, {friend} has {X} {item}.\nBoth together have {Y} {item}.",
        steps=("x = a - b", "y = a + x"),
        numbers={"a": (6, 45), "b": (2, 20)},
        items=words.BOOKS,
    ),
    Template(
        "{name} drives {a} kilometers a day for {b} days, and {c} kilometers on the last day of the trip. "
        "How many kilometers long is the trip?",
        "Driving for {b} days covers {X} kilometers.\nThe last day makes it {Y} kilometers.",
        steps=("x = a * b", "y = x + c"),
        numbers={"a": (5, 25), "b": (2, 6), "c": (3, 30)},
    ),
    Template(
        "{name} picks {a} {item} and {friend} picks {b}. They put all of them together and each takes "
        "half. How many {item} does {name} take home?",
        "Their baskets hold {X} {item} together.\nHalf of that is {Y} {item} for {name}.",
        steps=("x = a + b", "y = x / 2"),
        numbers={"a": (4, 40), "b": (4, 40)},
        items=words.FRUIT,
    ),
    Template(
        "A recipe needs {a} eggs for one cake. {name} wants to bake {b} cakes and has {c} eggs in the "
        "fridge. How many eggs must {she} buy?",
        "All {b} cakes need {X} eggs.\n{She} already has {c}, so {she} must buy {Y} eggs.",
        steps=("x = a * b", "y = x - c"),
        numbers={"a": (2, 8), "b": (2, 9), "c": (2, 12)},
    ),
    Template(
        "{name} cuts a {item} of {a} meters into pieces of {b} meters and uses {c} of the pieces. How many "
        "pieces are left?",
        "Cutting the {item} gives {X} pieces.\nUsing {c} of them leaves {Y} pieces.",
        steps=("x = a / b", "y = x - c"),
        numbers={"a": (12, 80), "b": (2, 6), "c": (2, 10)},
        items=words.CORDS,
    ),
    Template(
        "In {name}'s pond there live {a} frogs and {b} times as many {item}. How many frogs and {item} "
        "live in the pond altogether?",
        "Counting the {item} gives {X}.\nFrogs and {item} together are {Y} animals.",
        steps=("x = a * b", "y = a + x"),
        numbers={"a": (3, 20), "b": (2, 6)},
        items=words.POND,
    ),
    Template(
        "{name} spends {a} minutes on math homework and {b} minutes less on spelling. How many minutes "
        "does {she} spend on both subjects?",
        "Spelling takes {name} {X} minutes.\nMath and spelling together take {Y} minutes.",
        steps=("x = a - b", "y = a + x"),
        numbers={"a": (15, 50), "b": (3, 25)},
    ),
    Template(
        "{name}'s shop has {a} {item}. Customers buy {b} of them on Monday and {c} on Tuesday. How many "
        "{item} are left in the shop?",
        "Customers buy {X} {item} on the two days.\nThe shop still has {Y} {item}.",
        steps=("x = b + c", "y = a - x"),
        numbers={"a": (20, 90), "b": (2, 25), "c": (2, 25)},
        items=words.GOODS,
    ),
    Template(
        "{name} puts {a} {item} into each of {b} small boxes and another {c} {item} into one big box. How "
        "many {item} are in all the boxes?",
        "Small boxes hold {X} {item}.\nCounting the big box too, there are {Y} {item}.",
        steps=("x = a * b", "y = x + c"),
        numbers={"a": (2, 10), "b": (2, 8), "c": (5, 30)},
        items=words.PARTS,
    ),
    Template(
        "At the market {a} {item} cost {b} dollars. {name} wants {c} {item} at the same price. How many "
        "dollars does {she} pay?",
        "One costs {X} dollars.\n{name} wants {c} of them and pays {Y} dollars.",
        steps=("x = b / a", "y = x * c"),
        numbers={"a": (2, 6), "b": (6, 48), "c": (2, 9)},
        items=words.GOODS,
    ),
    Template(
        "{name} wins {a} points in each of {b} rounds of a game and then loses {c} points in the last "
        "round. How many points does {she} end with?",
        "Before the last round {name} has {X} points.\nAfter losing {c}, {she} has {Y} points.",
        steps=("x = a * b", "y = x - c"),
        numbers={"a": (3, 15), "b": (2, 8), "c": (2, 20)},
    ),
    Template(
        "{name} sorts {a} {item} into {b} equal piles. {She} finds {c} more {item} and adds them to one of "
        "the piles. How many {item} does that pile have now?",
        "Equal piles have {X} {item} each.\nAdding {c} to one makes {Y} {item}.",
        steps=("x = a / b", "y = x + c"),
        numbers={"a": (8, 72), "b": (2, 9), "c": (2, 20)},
        items=words.PARTS,
    ),
)

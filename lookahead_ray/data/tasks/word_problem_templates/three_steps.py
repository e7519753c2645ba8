"""Word problems of three steps."""

from lookahead_ray.data.tasks.word_problem_templates import words
from lookahead_ray.data.tasks.word_problem_templates.template import Template

THREE_STEPS = (
    Template(
        "{name} buys {a} {item} for {b} dollars each and a bag for {c} dollars. {She} pays with {d} "
        "dollars. How many dollars does {she} get back?",
        "Buying the {item} costs {X} dollars.\nThe bag makes it {Y} dollars.\n{name} gets {Z} dollars back.",
        steps=("x = a * b", "y = x + c", "z = d - y"),
        numbers={"a": (2, 7), "b": (2, 8), "c": (2, 9), "d": (20, 60)},
        items=words.GOODS,
    ),
    Template(
        "{name} has {a} {item}. {friend} has {b} more {item} than {name}, and {name}'s sister has {c}. How "
        "many {item} do the three children have?",
        "{friend} has {X} {item}.\nWith {name}'s that makes {Y}.\nWith the sister's it is {Z} {item}.",
        steps=("x = a + b", "y = a + x", "z = y + c"),
        numbers={"a": (3, 20), "b": (2, 15), "c": (3, 25)},
        items=words.TOYS,
    ),
    Template(
        "{name} works {a} hours on Saturday and {b} hours on Sunday for {c} dollars an hour. {She} spends "
        "{d} dollars on a {item}. How many dollars remain?",
        "Hours worked are {X} hours.\nThey pay {Y} dollars.\nAfter the {item}, {Z} dollars remain.",
        steps=("x = a + b", "y = x * c", "z = y - d"),
        numbers={"a": (2, 6), "b": (2, 6), "c": (5, 12), "d": (3, 30)},
        items=words.PRESENTS,
    ),
    Template(
        "{name} has {a} {item} that lay {b} eggs each in a week. {She} breaks {c} eggs and packs the rest "
        "into cartons of {d}. How many cartons does {she} fill?",
        "All the {item} lay {X} eggs.\nUnbroken are {Y} eggs.\nCartons of {d} make {Z} cartons.",
        steps=("x = a * b", "y = x - c", "z = y / d"),
        numbers={"a": (3, 15), "b": (2, 6), "c": (2, 9), "d": (3, 9)},
        items=words.BIRDS,
    ),
    Template(
        "{name} fills {a} small boxes with {b} {item} each and {c} big boxes with {d} {item} each. How "
        "many {item} does {she} pack?",
        "Small boxes take {X} {item}.\nBig boxes take {Y} {item}.\nTogether they take {Z} {item}.",
        steps=("x = a * b", "y = c * d", "z = x + y"),
        numbers={"a": (2, 8), "b": (2, 6), "c": (2, 5), "d": (7, 15)},
        items=words.SUPPLIES,
    ),
    Template(
        "{name} pays for {a} adults and {b} children at the {item}. An adult costs {c} dollars and a child "
        "{d} dollars. How many dollars does {she} pay?",
        "Adults cost {X} dollars.\nChildren cost {Y} dollars.\nSo {name} pays {Z} dollars.",
        steps=("x = a * c", "y = b * d", "z = x + y"),
        numbers={"a": (2, 5), "b": (2, 8), "c": (6, 12), "d": (2, 5)},
        items=words.PLACES,
    ),
    Template(
        "{name} reads {a} pages on Monday, {b} times as many on Tuesday, and on Wednesday {c} pages fewer "
        "than on Tuesday. How many pages does {she} read on Tuesday and Wednesday together?",
        "Tuesday brings {X} pages.\nWednesday brings {Y} pages.\nBoth days together bring {Z} pages.",
        steps=("x = a * b", "y = x - c", "z = x + y"),
        numbers={"a": (4, 15), "b": (2, 5), "c": (2, 15)},
    ),
    Template(
        "{name} has {a} dollars and earns {b} dollars more. Then {she} buys {c} {item} for {d} dollars "
        "each. How many dollars does {she} have left?",
        "Before shopping {name} has {X} dollars.\nThe {item} cost {Y} dollars.\nThis leaves {Z} dollars.",
        steps=("x = a + b", "y = c * d", "z = x - y"),
        numbers={"a": (10, 50), "b": (5, 40), "c": (2, 6), "d": (2, 9)},
        items=words.GOODS,
    ),
    Template(
        "{name} drives a bus with {a} passengers. At the {item}, {b} get off and {c} get on. At the next "
        "stop, half of the passengers get off. How many passengers stay?",
        "First {X} passengers stay.\nWith the new ones there are {Y} passengers.\n"
        "Half of them is {Z} passengers.",
        steps=("x = a - b", "y = x + c", "z = y / 2"),
        numbers={"a": (12, 50), "b": (2, 10), "c": (2, 20)},
        items=words.PLACES,
    ),
    Template(
        "{name} picks {a} {item} and {friend} picks {b}. They eat {c} of them and share the rest equally. "
        "How many {item} does each of the two get?",
        "Together they pick {X} {item}.\nAfter eating {c}, they have {Y}.\nEach of them gets {Z} {item}.",
        steps=("x = a + b", "y = x - c", "z = y / 2"),
        numbers={"a": (5, 30), "b": (5, 30), "c": (2, 9)},
        items=words.FRUIT,
    ),
    Template(
        "{name} is {a} years old. {Her} mother is {b} times as old, and {her} grandfather is {c} years "
        "older than {her} mother. How many years older than {name} is {her} grandfather?",
        "Mother is {X} years old.\nGrandfather is {Y} years old.\nThe difference is {Z} years.",
        steps=("x = a * b", "y = x + c", "z = y - a"),
        numbers={"a": (7, 12), "b": (3, 4), "c": (20, 32)},
    ),
    Template(
        "{name} packs {a} {item} into {b} bags with the same number in each and sells {c} of the bags. How "
        "many {item} does {she} still have?",
        "Inside one bag are {X} {item}.\nUnsold are {Y} bags.\nThey hold {Z} {item}.",
        steps=("x = a / b", "y = b - c", "z = x * y"),
        numbers={"a": (12, 80), "b": (4, 10), "c": (2, 8)},
        items=words.FRUIT,
    ),
    Template(
        "{name} cycles {a} kilometers on each of {b} days and runs {c} kilometers on each of {d} days. How "
        "many kilometers more does {she} cycle than run?",
        "Cycling comes to {X} kilometers.\nRunning comes to {Y} kilometers.\n"
        "The difference is {Z} kilometers.",
        steps=("x = a * b", "y = c * d", "z = x - y"),
        numbers={"a": (8, 20), "b": (2, 6), "c": (2, 8), "d": (2, 5)},
    ),
    Template(
        "{name} buys {a} {item} for {b} dollars each and sells all of them for {c} dollars each. How many "
        "dollars does {she} gain?",
        "At first {name} spends {X} dollars.\nSelling brings {Y} dollars.\nSo {she} gains {Z} dollars.",
        steps=("x = a * b", "y = a * c", "z = y - x"),
        numbers={"a": (2, 12), "b": (2, 9), "c": (4, 16)},
        items=words.GOODS,
    ),
    Template(
        "{name} gives half of {her} {a} {item} to {friend}. Then {she} buys {b} new ones and loses {c}. "
        "How many {item} does {she} have at the end?",
        "Half of the {item} is {X}.\nNew ones make it {Y}.\nLosing {c} leaves {Z} {item}.",
        steps=("x = a / 2", "y = x + b", "z = y - c"),
        numbers={"a": (6, 60), "b": (2, 20), "c": (2, 12)},
        items=words.TOYS,
    ),
    Template(
        "A wall needs {a} rows of {b} tiles. {name} has {c} boxes with {d} tiles in each box. How many "
        "tiles will be left over?",
        "Needed are {X} tiles.\n{name} has {Y} tiles.\nLeft over are {Z} tiles.",
        steps=("x = a * b", "y = c * d", "z = y - x"),
        numbers={"a": (2, 8), "b": (3, 9), "c": (3, 9), "d": (6, 12)},
    ),
)

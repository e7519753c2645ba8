"""Word problems of one step."""

from lookahead_ray.data.tasks.word_problem_templates import words
from lookahead_ray.data.tasks.word_problem_templates.template import Template

ONE_STEP = (
    Template(
        "{name} picks {a} {item} in the morning and {b} more in the afternoon. How many {item} does {she} "
        "pick on that day?",
        "In the whole day {name} picks {X} {item}.",
        steps=("x = a + b",),
        numbers={"a": (3, 40), "b": (3, 40)},
        items=words.FRUIT,
    ),
    Template(
        "A shelf holds {a} {item}. {name} takes {b} of them home for the weekend. How many {item} stay on "
        "the shelf?",
        "After {name} takes {b} away, {X} {item} stay on the shelf.",
        steps=("x = a - b",),
        numbers={"a": (10, 60), "b": (2, 20)},
        items=words.BOOKS,
    ),
    Template(
        "There are {a} boxes in {name}'s cupboard, and every box holds {b} {item}. How many {item} are in "
        "the cupboard?",
        "Every box holds {b} {item}, so the cupboard holds {X} {item}.",
        steps=("x = a * b",),
        numbers={"a": (2, 10), "b": (2, 12)},
        items=words.SUPPLIES,
    ),
    Template(
        "{name} shares {a} {item} equally among {b} children at a party. How many {item} does each child "
        "get?",
        "Each of the {b} children gets {X} {item} from {name}.",
        steps=("x = a / b",),
        numbers={"a": (6, 60), "b": (2, 9)},
        items=words.TOYS,
    ),
    Template(
        "{name} is {a} years old, and {her} aunt is {b} years older than {she} is. How old is {her} aunt?",
        "Adding {b} years to {name}'s age shows that the aunt is {X} years old.",
        steps=("x = a + b",),
        numbers={"a": (6, 25), "b": (14, 35)},
    ),
    Template(
        "{name} finds a {item} that is {a} meters long and cuts off a piece of {b} meters for the garden. "
        "How many meters of it are left?",
        "The {item} loses a piece of {b} meters, so {X} meters are left.",
        steps=("x = a - b",),
        numbers={"a": (8, 50), "b": (2, 25)},
        items=words.CORDS,
    ),
    Template(
        "A ticket for the {item} costs {a} dollars. How many dollars does {name} pay for {b} tickets for "
        "{her} family?",
        "Tickets cost {a} dollars each, so {name} pays {X} dollars.",
        steps=("x = a * b",),
        numbers={"a": (3, 15), "b": (2, 8)},
        items=words.PLACES,
    ),
    Template(
        "{name} reads {a} pages of a book every evening. How many pages does {she} read in {b} evenings if "
        "{she} never skips one?",
        "Reading {a} pages an evening for {b} evenings makes {X} pages.",
        steps=("x = a * b",),
        numbers={"a": (4, 20), "b": (2, 12)},
    ),
    Template(
        "{name} has {a} {item}, and {friend} has {b} {item}. How many more {item} does {name} have than "
        "{friend}?",
        "To compare them, subtract: {name} has {X} more {item} than {friend}.",
        steps=("x = a - b",),
        numbers={"a": (10, 50), "b": (3, 30)},
        items=words.TOYS,
    ),
    Template(
        "{name} needs {a} {item} for a school project and already has {b} of them. How many {item} does "
        "{she} still need?",
        "Still missing for the project are {X} {item}.",
        steps=("x = a - b",),
        numbers={"a": (10, 50), "b": (2, 30)},
        items=words.SUPPLIES,
    ),
    Template(
        "{name} plants {a} {item} in rows of {b} behind the house. How many rows of {item} does that make?",
        "Rows of {b} use up all the plants, so there are {X} rows.",
        steps=("x = a / b",),
        numbers={"a": (10, 72), "b": (3, 9)},
        items=words.PLANTS,
    ),
    Template(
        "{name} drives a bus with {a} passengers away from the {item}. At the next stop {b} more get on "
        "and nobody gets off. How many passengers are on the bus now?",
        "Nobody gets off, so the bus now carries {X} passengers.",
        steps=("x = a + b",),
        numbers={"a": (5, 40), "b": (2, 20)},
        items=words.PLACES,
    ),
    Template(
        "It takes {name} {a} minutes to walk to the {item} and {b} minutes to come back by another path. "
        "How many minutes does {she} walk?",
        "Both ways together take {name} {X} minutes of walking.",
        steps=("x = a + b",),
        numbers={"a": (5, 45), "b": (5, 45)},
        items=words.PLACES,
    ),
    Template(
        "{name} bakes {a} {item} and puts the same number on each of {b} plates. How many {item} lie on "
        "one plate?",
        "Putting {a} {item} on {b} plates gives {X} {item} a plate.",
        steps=("x = a / b",),
        numbers={"a": (8, 60), "b": (2, 8)},
        items=words.BAKED,
    ),
    Template(
        "{name} reads {a} degrees on the thermometer at noon. By evening it has fallen by {b} degrees. How "
        "many degrees does {she} read then?",
        "By evening the thermometer has fallen to {X} degrees.",
        steps=("x = a - b",),
        numbers={"a": (12, 40), "b": (2, 25)},
    ),
    Template(
        "{name} earns {a} dollars for washing one {item}. How many dollars does {she} earn by washing {b} "
        "of them on Saturday?",
        "Washing {b} of them at {a} dollars each earns {name} {X} dollars.",
        steps=("x = a * b",),
        numbers={"a": (3, 15), "b": (2, 9)},
        items=words.VEHICLES,
    ),
    Template(
        "{name} keeps {a} {item} on the farm. Another {b} {item} arrive from the market in spring. How "
        "many {item} live on the farm now?",
        "With the new {item} from the market, {name} keeps {X} {item}.",
        steps=("x = a + b",),
        numbers={"a": (4, 45), "b": (3, 30)},
        items=words.ANIMALS,
    ),
    Template(
        "{name} has {a} dollars and spends {b} dollars on a {item}. How many dollars does {she} have left "
        "in {her} wallet?",
        "Once the {item} is paid for, {name} has {X} dollars left.",
        steps=("x = a - b",),
        numbers={"a": (12, 80), "b": (3, 40)},
        items=words.PRESENTS,
    ),
)

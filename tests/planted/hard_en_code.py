"""English rows that look like defects and are none: markup, code, numbers, addresses, special characters."""

from __future__ import annotations

from random import Random

from .checksums import harmless_digits, is_luhn
from .compose import Draft, single
from .hard_en import DAYS, MONTHS, PEOPLE, PLACES, numbered_item
from .hard_en_banks import (
    CODE,
    CODE_ASKS,
    CODE_INTRO,
    CODE_OUTRO,
    COMPARISONS,
    FIGURES,
    FORMS,
    FORMULAS,
    GENERICS,
    HANDLES,
    LINK_ABOUT,
    LINKS,
    OBJECTS,
    ORDERS,
    QUOTES,
    ROUTINE,
    SECTIONS,
    SPECIAL,
    STREETS,
    TAG_ASKS,
    TAGS,
    VERBS,
)


def fill(text: str, rng: Random) -> dict[str, str]:
    a, b = rng.sample(PEOPLE, 2)
    p, q = rng.sample(PLACES, 2)
    plain: dict[str, str | int | None] = {"ö": "o", "Ø": "O"}
    low = [name.lower().translate(str.maketrans(plain)) for name in (p, q)]
    return {
        "A": a,
        "B": b,
        "P": p,
        "Q": q,
        "p": low[0],
        "q": low[1],
        "D": rng.choice(DAYS),
        "M": rng.choice(MONTHS),
        "n": str(rng.randint(2, 9)),
    }


def tag(rng: Random) -> Draft:
    name, what, when = rng.choice(TAGS)
    question = rng.choice(TAG_ASKS).format(t=name)
    first = rng.choice((f"`<{name}>` {what}.", f"The element `<{name}>` {what}.", f"It {what}."))
    more = rng.choice((f" Use it when {when}.", f" It is the right choice if {when}.", f" A typical case: {when}.", ""))
    code = f'\n\n```html\n<{name} class="{rng.choice(PLACES).lower()}"></{name}>\n```' if rng.random() < 0.35 else ""
    return single(question, first + more + code, "tag", "question about HTML tags")


def code(rng: Random) -> Draft:
    language = rng.choice(sorted(CODE))
    what, snippet = rng.choice(CODE[language])
    values = fill(snippet, rng)
    spoken = {
        "html": "HTML",
        "xml": "XML",
        "python": "Python",
        "sql": "SQL",
        "json": "JSON",
        "bash": "Bash",
        "java": "Java",
        "css": "CSS",
    }
    question = rng.choice(CODE_ASKS).format(x=what, l=spoken[language])
    outro = rng.choice([line for line in CODE_OUTRO if all(slot in snippet for slot in ("{A}", "{P}") if slot in line)])
    parts = [rng.choice(CODE_INTRO), f"```{language}\n{snippet.format(**values)}\n```", outro.format(**values)]
    return single(question, "\n\n".join(part for part in parts if part), "code", "code in a fence")


def section(rng: Random) -> Draft:
    question, answer = rng.choice(SECTIONS)
    major = rng.randint(2, 12)
    low, high = sorted(rng.sample(range(1, 30), 2))
    values = {
        "s": ".".join([str(rng.randint(1, 12)), *(str(rng.randint(0, 12)) for _ in range(rng.choice((2, 3, 3))))]),
        "v": f"{major}.{high}.{rng.randint(0, 9)}",
        "w": f"{major}.{low}.{rng.randint(0, 9)}",
        "b": f"{rng.randint(96, 131)}.0.{rng.randint(4000, 6999)}.{rng.randint(12, 199)}",
    }
    return single(question.format(**values), answer.format(**values), "section", "version or section number")


def isbn13(rng: Random) -> str:
    while True:
        body = "978" + "".join(rng.choice("0123456789") for _ in range(9))
        check = -sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(body)) % 10
        if not is_luhn(f"{body}{check}"):
            break
    return f"{body[:3]}-{body[3]}-{body[4:8]}-{body[8:12]}-{check}"


def order(rng: Random) -> Draft:
    question, answer = rng.choice(ORDERS)
    length = rng.choice((10, 12, 13, 14, 16, 16, 18, 18, 19, 20))
    values = {
        "o": harmless_digits(rng, length),
        "p": rng.choice(PLACES),
        "d": rng.choice(DAYS),
        "isbn": isbn13(rng),
        "y": str(rng.randint(2012, 2022)),
        "date": f"20{rng.randint(19, 24)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
    }
    return single(question.format(**values), answer.format(**values), "order", "order number or ISBN")


def figure(rng: Random) -> Draft:
    question, answer = rng.choice(FIGURES)
    values = {
        "p": rng.choice(PLACES),
        "m": rng.choice(MONTHS),
        "d": rng.choice(DAYS),
        "y": str(rng.randint(1890, 2019)),
        "k": str(rng.randint(11, 19)),
        "q": str(rng.randint(20, 58)),
        "q0": str(rng.randint(2, 99)),
        "date": f"20{rng.randint(21, 25)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
    }
    return single(question.format(**values), answer.format(**values), "figure", "year, price, date or masked number")


def address(rng: Random) -> Draft:
    question, answer = rng.choice(FORMS)
    values = {
        "a": f"{rng.choice(PEOPLE)} {rng.choice(('Hartley', 'Okafor', 'Lindqvist', 'Moreau', 'Brandt', 'Santos', 'Kelly'))}",
        "h": str(rng.randint(2, 140)),
        "st": rng.choice(STREETS),
        "z": f"{rng.randint(10, 99)}{rng.randint(100, 999)}",
        "p": rng.choice(PLACES),
    }
    return single(
        question.format(**values), answer.format(**values).replace("\\n", "\n"), "address", "postal address in short lines"
    )


def timetable(rng: Random) -> Draft:
    tasks = rng.sample(ROUTINE, rng.choice((2, 3)))
    keys = rng.choice(
        (DAYS[: rng.choice((4, 5, 6))], rng.sample(PEOPLE, 4), rng.sample(PLACES, 4), [f"Week {i}" for i in range(1, 6)])
    )
    head = rng.choice(
        ("| When | First | Then |", "| | Early shift | Late shift |", "| Row | Task A | Task B |", "|   | Job | Check |")
    )
    clock = rng.choice(("", f"{rng.randint(6, 9)}:00 ", f"at {rng.randint(6, 11)}, "))
    rows = [f"| {key} | {clock}{rng.choice(tasks)} | {rng.choice(tasks)} |" for key in keys]
    table = "\n".join([head, "| --- | --- | --- |", *rows])
    ask = rng.choice(
        (
            "Make a rota with these jobs: {x}.",
            "Weekly plan as a table, please. Tasks: {x}.",
            "Who does what is settled; when is not. Jobs: {x}.",
            "Timetable for the volunteers in {p}, covering {x}",
            "Spread {x} over the week.",
        )
    )
    return single(
        ask.format(x=", ".join(tasks), p=rng.choice(PLACES)), table, "timetable", "table with the same words in each row"
    )


def same_beginnings(rng: Random) -> Draft:
    device = rng.choice(
        (
            "coffee machine",
            "boiler",
            "printer",
            "projector",
            "sewing machine",
            "bread maker",
            "scanner",
            "label printer",
            "amplifier",
        )
    )
    goal = rng.choice(("reset", "descale", "start", "clean", "calibrate", "unlock"))
    if rng.random() < 0.5:
        verb = rng.choice(VERBS)
        steps = [f"{i}. {verb} {thing}" for i, thing in enumerate(rng.sample(OBJECTS, rng.choice((4, 5))), 1)]
    else:
        steps = [
            f"Step {i}: {rng.choice(VERBS)} {thing}." for i, thing in enumerate(rng.sample(OBJECTS, rng.choice((4, 5, 6))), 1)
        ]
    ask = rng.choice(
        (
            "How do I {g} the {x}?",
            "Steps to {g} our old {x}?",
            "Write a checklist: {g} the {x}.",
            "{X} won't {g}. Which order is right?",
            "The sheet next to the {x} is gone. How does one {g} it?",
        )
    )
    heading = rng.choice(("", "", "### Steps\n\n", f"## {device.capitalize()}\n\n"))
    answer = heading + "\n".join(steps)
    return single(ask.format(g=goal, x=device, X=device.capitalize()), answer, "steps", "steps with the same beginnings")


def link(rng: Random) -> Draft:
    place = rng.randrange(len(LINKS))
    ask = rng.choice(
        (
            "Where can I find {x} online?",
            "Link to {x}, please",
            "Do you know a site with {x}?",
            "Which page would you bookmark for {x}?",
        )
    )
    answer = rng.choice(("Have a look at {u}", "{u}", "The best source is {u}", "Start here: {u}", "You will find it at {u}"))
    return single(ask.format(x=LINK_ABOUT[place]), answer.format(u=LINKS[place]), "link", "ends with a URL")


def headings(rng: Random) -> Draft:
    thing = rng.choice(
        (
            "a club newsletter",
            "a bike tour",
            "a flea market",
            "a school play",
            "a moving day",
            "a chess evening",
            "a clean-up walk",
            "a cookery course",
            "a book swap",
            "a harvest supper",
        )
    )
    pool = [
        ("Goal", "bring {n} new people along"),
        ("Before", "{r} and print the list"),
        ("On the day", "{r}, then {s}"),
        ("Budget", "about {k} euros, half of it for drinks"),
        ("Afterwards", "{s} and thank all helpers by name"),
        ("Risks", "rain, late keys and {n} guests more than planned"),
        ("Who", "{a} leads, {b} keeps the minutes"),
    ]
    chosen = rng.sample(pool, rng.choice((3, 4, 5)))
    r, s = rng.sample(ROUTINE, 2)
    a, b = rng.sample(PEOPLE, 2)
    values = {"n": rng.randint(3, 9), "k": rng.randint(4, 60) * 10, "r": r, "s": s, "a": a, "b": b}
    bodies = [(head, text.format(**values)) for head, text in chosen]
    lines = [f"### {head}\n\n{body[0].upper()}{body[1:]}." for head, body in bodies]
    ask = rng.choice(
        (
            "Draft a one-page concept for {x} in {p}.",
            "Plan {x}. Use Markdown headings.",
            "I have to organise {x} by {d}. Give me a structure.",
            "{X} - what must I think of?",
            "Our association in {p} wants {x}. Outline?",
        )
    )
    question = ask.format(x=thing, X=thing[:1].upper() + thing[1:], p=rng.choice(PLACES), d=rng.choice(DAYS))
    return single(question, "\n\n".join(lines), "headings", "Markdown headings")


def faq(rng: Random) -> Draft:
    place = rng.choice(
        (
            "a swimming pool",
            "a pottery",
            "a repair café",
            "a youth hostel",
            "a farm shop",
            "a bike rental",
            "a music school",
            "a lido",
        )
    )
    pool = (
        ("When do you open?", f"At {rng.randint(7, 10)}, on {rng.choice(DAYS)} an hour later."),
        ("Can I pay by card?", "Yes, from five euros."),
        ("Are dogs welcome?", "Only on a lead."),
        ("Do you have a cloakroom?", "In the cellar, free of charge."),
        ("What if I am late?", f"We wait {rng.randint(5, 20)} minutes."),
        ("Is there a discount?", f"{rng.randint(10, 40)} % for pupils."),
        ("Where do I park?", f"Behind the {rng.choice(('church', 'mill', 'school', 'silo'))}."),
        ("May I take photos?", "Gladly, but ask people first."),
    )
    lines = [f"Q: {q}\nA: {a}" for q, a in rng.sample(pool, rng.choice((3, 4)))]
    ask = rng.choice(
        (
            "Write an FAQ for {x}.",
            "Questions and answers for the website of {x}, please.",
            "Help page, {x}, in Q and A style",
            "Visitors of {x} ask the same things. Make me a sheet.",
        )
    )
    return single(ask.format(x=place), "\n\n".join(lines), "faq", "Q and A quoted inside")


def sums(rng: Random) -> Draft:
    a, b, c = rng.randint(12, 99), rng.randint(12, 99), rng.randint(3, 9)
    name = rng.choice(PEOPLE)
    ask, result = rng.choice(
        (
            (f"What is {a} + {b}?", a + b),
            (f"Compute {a} × {c}.", a * c),
            (f"{name} has {a} stamps and buys {c} more each week. How many after {b} weeks?", a + b * c),
            (f"A train covers {a * c} km in {c} hours. Average speed in km/h?", a),
            (f"How much change from 200 if I pay {a} and {b}?", 200 - a - b),
            (f"Divide {a * c} marbles among {c} children; how many does each get?", a),
            (f"If {c} pens cost {a * c} cents, what do {b} pens cost in cents?", a * b),
            (f"{a * b} minus {b}", a * b - b),
            (f"Solve for x: x + {a} = {a + b}", b),
            (f"What remains when {a * c + 2} is divided by {c}?", 2),
        )
    )
    answer = rng.choice((str(result), str(result), f"{result}", f"x = {result}" if "x:" in ask else str(result)))
    return single(ask, answer, "sums", "short answer without full stop")


FAMILIES = {
    "tag": tag,
    "code": code,
    "section": section,
    "order": order,
    "figure": figure,
    "address": address,
    "timetable": timetable,
    "steps": same_beginnings,
    "link": link,
    "headings": headings,
    "faq": faq,
    "sums": sums,
    "generics": numbered_item(GENERICS, "generics", "generics"),
    "comparisons": numbered_item(COMPARISONS, "comparisons", "comparison signs"),
    "handles": numbered_item(HANDLES, "handles", "handles and user@host"),
    "special": numbered_item(SPECIAL, "special", "special characters"),
    "formulas": numbered_item(FORMULAS, "formulas", "ends with a formula"),
    "quotes": numbered_item(QUOTES, "quotes", "ends with a quotation or bracket"),
}

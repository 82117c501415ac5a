"""Small rules of English that every genre needs: articles, plurals, numbers in words, listings."""

IRREGULAR = {
    "child": "children", "fish": "fish", "trout": "trout", "sheep": "sheep", "mouse": "mice", "deer": "deer", "goose": "geese",
    "leaf": "leaves", "loaf": "loaves", "knife": "knives", "wolf": "wolves", "potato": "potatoes",
    "tomato": "tomatoes", "salmon": "salmon", "woman": "women", "man": "men", "foot": "feet",
}

UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()


def article(noun: str) -> str:
    """The noun with its indefinite article: `an owl`, `a fox`."""
    return ("an " if noun[0].lower() in "aeiou" else "a ") + noun


def plural(noun: str) -> str:
    """The plural of an English noun, or of a phrase that ends in one."""
    *before, last = noun.split(" ")
    if last in IRREGULAR:
        last = IRREGULAR[last]
    elif last.endswith("y") and last[-2] not in "aeiou":
        last = last[:-1] + "ies"
    elif last.endswith(("s", "x", "ch", "sh")):
        last += "es"
    else:
        last += "s"
    return " ".join([*before, last])


def count(number: int, noun: str) -> str:
    """A number in digits with its noun in agreement: `1 egg`, `3 eggs`."""
    return f"{number} {noun if number == 1 else plural(noun)}"


def word(number: int) -> str:
    """A number from 0 to 99 in words."""
    if number < 20:
        return UNITS[number]
    tens, units = divmod(number, 10)
    return TENS[tens] if units == 0 else f"{TENS[tens]}-{UNITS[units]}"


def word_count(number: int, noun: str) -> str:
    """A number in words with its noun in agreement: `one egg`, `three eggs`."""
    return f"{word(number)} {noun if number == 1 else plural(noun)}"


def ordinal(number: int) -> str:
    """A number with its ordinal ending: `1st`, `12th`, `23rd`."""
    teens = 10 <= number % 100 <= 20
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def listing(items: list[str], last: str = "and") -> str:
    """Items as a sentence lists them: `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"


def sentence(text: str) -> str:
    """The text with a capital at its start."""
    return text[0].upper() + text[1:]


def thousands(number: int) -> str:
    """A number with commas between its thousands: `12,300`."""
    return f"{number:,}"


def clock(minutes: int) -> str:
    """Minutes after midnight as a time of day: `9:05`."""
    return f"{minutes // 60 % 24}:{minutes % 60:02d}"

"""Vocabulary in English, French, German and Spanish; also letters outside ASCII."""

from random import Random

from ..world import World

WORDS = {
    "bread": ("le pain", "das Brot", "el pan"), "water": ("l'eau", "das Wasser", "el agua"),
    "milk": ("le lait", "die Milch", "la leche"), "cheese": ("le fromage", "der Käse", "el queso"),
    "apple": ("la pomme", "der Apfel", "la manzana"), "house": ("la maison", "das Haus", "la casa"),
    "door": ("la porte", "die Tür", "la puerta"), "window": ("la fenêtre", "das Fenster", "la ventana"),
    "street": ("la rue", "die Straße", "la calle"), "bridge": ("le pont", "die Brücke", "el puente"),
    "book": ("le livre", "das Buch", "el libro"), "school": ("l'école", "die Schule", "la escuela"),
    "child": ("l'enfant", "das Kind", "el niño"), "mother": ("la mère", "die Mutter", "la madre"),
    "father": ("le père", "der Vater", "el padre"), "dog": ("le chien", "der Hund", "el perro"),
    "cat": ("le chat", "die Katze", "el gato"), "bird": ("l'oiseau", "der Vogel", "el pájaro"),
    "tree": ("l'arbre", "der Baum", "el árbol"), "sun": ("le soleil", "die Sonne", "el sol"),
    "moon": ("la lune", "der Mond", "la luna"), "night": ("la nuit", "die Nacht", "la noche"),
    "morning": ("le matin", "der Morgen", "la mañana"), "year": ("l'année", "das Jahr", "el año"),
}
LANGUAGES = ("French", "German", "Spanish")
COLOURS = {
    "red": ("rouge", "rot", "rojo"), "green": ("vert", "grün", "verde"), "black": ("noir", "schwarz", "negro"),
    "white": ("blanc", "weiß", "blanco"), "yellow": ("jaune", "gelb", "amarillo"), "blue": ("bleu", "blau", "azul"),
}
NUMBERS = {
    "French": "un deux trois quatre cinq six sept huit neuf dix".split(),
    "German": "eins zwei drei vier fünf sechs sieben acht neun zehn".split(),
    "Spanish": "uno dos tres cuatro cinco seis siete ocho nueve diez".split(),
}


def vocabulary(rng: Random, world: World) -> str:
    """A list of words and their translations into one language."""
    language = rng.randrange(3)
    rows = [f"the {noun}: {WORDS[noun][language]}" for noun in rng.sample(list(WORDS), rng.randrange(5, 9))]
    return f"English and {LANGUAGES[language]}\n\n" + "\n".join(rows)


def translations(rng: Random, world: World) -> str:
    """One noun, one colour and counting, said in running text."""
    noun, colour, language = rng.choice(list(WORDS)), rng.choice(list(COLOURS)), rng.choice(LANGUAGES)
    index, last = LANGUAGES.index(language), rng.randrange(4, 11)
    others = [name for name in LANGUAGES if name != language]
    parts = [
        f"In {language}, the {noun} is called {WORDS[noun][index]}.",
        f"In {others[0]} it is {WORDS[noun][LANGUAGES.index(others[0])]} and in {others[1]} it is {WORDS[noun][LANGUAGES.index(others[1])]}.",
        f"The word for {colour} is {COLOURS[colour][index]}.",
        f"We count: {', '.join(NUMBERS[language][:last])}.",
    ]
    return " ".join(parts)

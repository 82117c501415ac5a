"""The genres of the corpus: functions of a generator and the world that return one text.

`GENRES` is the one list of them; the model card counts texts by its keys.
"""

from . import code, glossary, kitchen, nature, numbers, people, places, reports, stories, talk

GENRES = {
    "encyclopaedia": [places.town_article, places.country_article, nature.animal_article],
    "travel": [places.travel_guide, places.comparison],
    "biography": [people.biography],
    "letter": [people.letter, reports.diary],
    "story": [stories.animal_tale, stories.hidden_toy, stories.journey],
    "poem": [stories.poem],
    "dialogue": [talk.shop, talk.station, talk.class_room, people.interview],
    "arithmetic": [numbers.word_problem, numbers.sums, numbers.sums, numbers.sequence, numbers.comparisons],
    "list": [kitchen.shopping_list, numbers.time_table, nature.sorting],
    "recipe": [kitchen.recipe],
    "code": [code.fold_function, code.branch_function, code.town_record, code.table, code.server_log],
    "news": [reports.weather, reports.match_report, reports.market],
    "logic": [nature.syllogism],
    "glossary": [glossary.vocabulary, glossary.translations],
}

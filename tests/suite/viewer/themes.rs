//! Words and sentences of made-up stores.

/// Names of themes and their words. Several scripts, directions and ways to compose a character are among them.
pub const THEMES: &[(&str, &[&str])] = &[
    (
        "months of the year",
        &[
            "January", "February", "March", "April", "June", "July", "August", "October",
        ],
    ),
    (
        "days of the week",
        &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Sunday"],
    ),
    ("colours", &["red", "green", "blue", "yellow", "purple", "orange"]),
    ("weather", &["rain", "snow", "fog", "wind", "thunder", "frost"]),
    ("rivers", &["Danube", "Nile", "Rhine", "Volga", "Mekong"]),
    (
        "numbers written out",
        &["seven", "twelve", "forty", "hundred", "thousand"],
    ),
    ("words of Arabic", &["السلام", "مدينة", "كتاب", "القمر", "البحر"]),
    ("words of Hebrew", &["שלום", "ספר", "ירושלים", "מים"]),
    ("emoji", &["👩‍👩‍👧‍👦", "🎉", "👍🏽", "🏳️‍🌈", "🙂"]),
    ("words of Chinese", &["你好", "世界", "月亮", "图书馆"]),
    (
        "accents apart from their letters",
        &["cafe\u{301}", "nai\u{308}ve", "A\u{30a}ngstro\u{308}m"],
    ),
    (
        "keywords of programs",
        &["return", "while", "import", "match", "struct"],
    ),
    (
        "markup",
        &[
            "<b>bold</b>",
            "<script>alert(1)</script>",
            "&amp;",
            "<img src=x onerror=alert(1)>",
        ],
    ),
    ("instruments", &["violin", "piano", "trumpet", "cello", "drum"]),
    (
        "words of law",
        &["court", "plaintiff", "verdict", "appeal", "statute"],
    ),
    ("animals", &["heron", "otter", "badger", "lynx", "sparrow"]),
];

/// Sentences; `@` is a word of some theme.
pub const SENTENCES: &[&str] = &[
    "The meeting was moved to @, because nobody had read the minutes.",
    "They walked along the @ until the light was gone.",
    "In @ the old bridge was closed, and @ took its place.",
    "\nWhat does @ mean here, and why is @ next to it?",
    "She wrote @ on the board; everyone copied it.",
    "According to the report, @ had been mentioned twice before @.",
    "\n\nA note on @: it is not what it seems.",
    "Nothing in this sentence stands out at all.",
    "The second volume begins with @ and ends with @, as the first did.",
];

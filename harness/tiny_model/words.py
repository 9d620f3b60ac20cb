"""The small world's vocabulary, all of it our own writing.

Names and towns are put together from syllables and objects from an adjective
and a noun, so that there are hundreds of each: which one comes next cannot be
guessed from the grammar, only remembered from the context.
"""

NAME_STARTS = "Mar Tob El Cas Ren Vi Dor Hal Is Jon Kel Lu Nor Os Per Ro Sel Tam Ul Wen Yor Zan Bri Fen".split()
NAME_ENDS = "a in ric wen ola eth is or ina ulf my an o ek iel une".split()
TOWN_STARTS = "Oak Stone Mill River Winter Fox Ash Black Gold Heron Salt Thorn North Raven Clay Moss".split()
TOWN_ENDS = "ford bridge field wick ham gate well mouth stead cliff".split()
NAMES = [start + end for start in NAME_STARTS for end in NAME_ENDS]
TOWNS = [start + end for start in TOWN_STARTS for end in TOWN_ENDS]

OBJECT_ADJECTIVES = ("copper silver wooden glass iron blue red green old small heavy painted broken golden "
                     "stone paper ivory velvet black white").split()
OBJECT_NOUNS = ("lantern key box ring map bell book knife cup clock mirror flute coin rope basket letter drum "
                "compass candle hammer needle crown kettle violin ladder wheel jar mask comb chain").split()
OBJECTS = [f"the {adjective} {noun}" for adjective in OBJECT_ADJECTIVES for noun in OBJECT_NOUNS]

PLACE_ADJECTIVES = "upper lower eastern western empty narrow quiet dusty round hidden".split()
PLACE_NOUNS = ("cellar barn chapel kitchen library stable garden attic workshop boathouse bakery granary "
               "courtyard forge orchard tower").split()
PLACES = [f"the {adjective} {noun}" for adjective in PLACE_ADJECTIVES for noun in PLACE_NOUNS]

TRADES = ("baker miller smith weaver potter sailor farmer teacher doctor singer hunter painter tailor mason "
          "clerk guard shepherd carpenter fisher gardener").split()

# A fact binds a subject {a} to a value {b}. In an answer the slot to be
# recalled stands in square brackets; everything needed to find it comes before.
FACTS = {
    "carries": {
        "state": ["{a} carried {b}.", "{a} never went out without {b}.", "For many years {a} had owned {b}."],
        "recall": ["What did {a} carry? {a} carried [b].", "Everyone knew that {a} owned [b].",
                   "Who carried {b}? It was [a].", "{b} still belonged to [a].",
                   "As always, {a} carried [b]."],
    },
    "lives": {
        "state": ["{a} lived in {b}.", "The home of {a} was in {b}.", "{a} had come from {b}."],
        "recall": ["Where did {a} live? In [b].", "In the evening {a} went home to [b].",
                   "{a} wrote a letter home to [b].", "The road that {a} knew best led to [b]."],
    },
    "number": {
        "state": ["The number of {a} was {b}.", "On the door of {a} stood the number {b}."],
        "recall": ["What was the number of {a}? It was [b].", "The number of {a} was still [b].",
                   "{a} was asked for the number and said [b]."],
    },
    "trade": {
        "state": ["{a} was a {b}.", "{a} worked as a {b}.", "{a} had learned to be a {b}."],
        "recall": ["What was the trade of {a}? {a} was a [b].", "{a} rose early, like every good [b].",
                   "After so many years {a} was still a [b]."],
    },
    "stands": {
        "state": ["{a} was kept in {b}.", "Somebody had left {a} in {b}.", "In {b} one could find {a}."],
        "recall": ["Where was {a}? It was in [b].", "{a} was still in [b].", "What was kept in {b}? It was [a].",
                   "When the door of {b} was opened, there was [a]."],
    },
}

# Story between the facts: {p} and {q} are people of the document.
FILLERS = [
    "The rain fell on the roofs until {time}.", "A cold wind came over the hills at {time}.",
    "{p} walked to {place} and talked with {q} about the {topic}.", "{p} and {q} sat down and ate some {food}.",
    "At {time} the bells rang and the streets were {state}.", "{p} was {mood} and did not want to speak of the {topic}.",
    "\"Do you remember the {topic}?\" asked {p}.", "\"I will tell you about the {topic} later,\" said {q} to {p}.",
    "{q} brought {p} some {food} and a cup of tea.", "Nobody in {place} had heard about the {topic}.",
    "The {animal} slept near the fire while {p} told a long story.", "They waited for {q} until {time}, but nobody came.",
    "{p} saw a {animal} on the road and was {mood}.", "Then it grew {state} and {p} shut the window.",
    "The {topic} had made {q} {mood}, and {p} laughed.", "In {place} the {animal} made a great noise.",
    "{p} could not sleep before {time} and thought of the {topic}.", "The day was {state}, and the {food} was good.",
    "A stranger asked {p} about the {topic} and went away again.", "{p} and {q} counted the days until the {topic}.",
]
SLOTS = {
    "time": "midnight noon evening sunset dawn supper".split(),
    "topic": "harvest wedding storm war market journey flood fair election dance robbery race".split(),
    "food": "bread soup cheese fish honey apples cake porridge".split(),
    "state": "dark quiet warm wet bright empty cold".split(),
    "mood": "glad tired angry afraid proud sad curious".split(),
    "animal": "dog cat goat horse hare fox goose donkey".split(),
}

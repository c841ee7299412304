"""English rows that look like defects and are none: prose, verse, short answers, apologies, repetition."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from .checksums import harmless_digits
from .compose import Draft, single

PEOPLE = [
    "Anna",
    "Tom",
    "Ines",
    "Kofi",
    "Marek",
    "Yusuf",
    "Clara",
    "Priya",
    "Jonas",
    "Mei",
    "Olga",
    "Luis",
    "Sofie",
    "Hassan",
    "Ruth",
    "Nils",
    "Carmen",
    "Dana",
    "Ivo",
    "Leila",
    "Pavel",
    "Greta",
    "Amara",
    "Felix",
    "Noor",
    "Hugo",
    "Tess",
    "Omar",
]
PLACES = [
    "Leeds",
    "Utrecht",
    "Malmö",
    "Bergen",
    "Turin",
    "Porto",
    "Galway",
    "Bristol",
    "Basel",
    "Tampere",
    "Leipzig",
    "Zagreb",
    "Cork",
    "Nantes",
    "Aarhus",
    "Graz",
    "Lund",
    "York",
    "Split",
    "Riga",
]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def ambient(rng: Random) -> dict[str, str]:
    return {
        "n": str(rng.randint(2, 9)),
        "day": rng.choice(DAYS),
        "person": rng.choice(PEOPLE),
        "place": rng.choice(PLACES),
        "month": rng.choice(MONTHS),
        "amount": str(rng.randint(12, 980) * 10),
        "order": harmless_digits(rng, rng.choice((10, 12, 16, 18))),
        "version": f"{rng.randint(1, 14)}.{rng.randint(0, 30)}.{rng.randint(0, 9)}",
        "date": f"20{rng.randint(20, 25)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
    }


def pairs(text: str) -> list[tuple[str, ...]]:
    return [tuple(part.strip().replace("\\n", "\n") for part in line.split(" | ")) for line in text.strip().split("\n")]


SHORT = pairs("""
Capital of France? | Paris
Which city is the seat of the Australian government? | Canberra
Name the longest river in Africa. | The Nile
What do you get when you multiply six by seven? | 42
How many bones does an adult human have? | 206
In which year did the Berlin Wall come down? | 1989
On what date did Apollo 11 land on the moon? | 20 July 1969
Who painted the Girl with a Pearl Earring? | Johannes Vermeer
Who wrote "Pride and Prejudice"? | Jane Austen
Chemical symbol of gold, please | Au
Is a tomato a fruit in the botanical sense? | Yes
Do penguins live at the North Pole? | No
At what temperature does water freeze in Fahrenheit? | 32 °F
How fast does light travel in a vacuum, roughly? | 300,000 km/s
What is the square root of 144? | 12
Which planet is closest to the sun? | Mercury
How many moons does Venus have? | None
Give me the plural of "mouse". | mice
Opposite of "scarce"? | plentiful
Past tense of "to swim" | swam
Which language has the most native speakers? | Mandarin Chinese
What is the currency of Switzerland? | Swiss franc
Who discovered penicillin? | Alexander Fleming
How long is a marathon? | 42.195 km
When was the Magna Carta sealed? | 15 June 1215
What colour do you obtain by mixing blue and yellow? | Green
How do you say "thank you" in Japanese? | ありがとう
Which gas makes up most of the air? | Nitrogen
What's the smallest prime? | 2
Largest ocean on earth? | Pacific
Translate "bread" into French. | pain
Tell me the first element of the periodic table. | Hydrogen
How many strings has a violin? | Four
What does "etc." stand for? | et cetera
In which month is the autumn equinox in the northern hemisphere? | September
Write seventeen in Roman numerals. | XVII
Which bird lays the largest eggs? | Ostrich
Sort these in ascending order: 9, 3, 7, 1 | 1, 3, 7, 9
What is 15 % of 80? | 12
Is Brazil larger than India? | Yes, much larger
Does sound travel in a vacuum? | No, never
Who was the first person to reach the South Pole? | Roald Amundsen
Which vitamin does sunlight help the skin to make? | Vitamin D
How many legs does a spider have? | 8
What's the freezing point of mercury? | −38.8 °C
Fill in the missing word: "A stitch in time saves ___" | nine
Classify the mood of this sentence: "I could hug the whole world today!" | positive
Does this review sound happy or angry: "Never again, the soup was cold and the waiter rude" | angry
Which of these is a mammal: trout, dolphin, gecko? | dolphin
Convert half a mile into metres. | about 805 m
Give one synonym for "quick". | rapid
Spell the number 90 in words. | ninety
What is the derivative of x squared? | 2x
Which instrument did Niccolò Paganini play? | The violin
What does a thermometer measure? | Temperature
Who is the author of "Don Quixote"? | Miguel de Cervantes
What day comes two days after Friday? | Sunday
Which side of the road do people drive on in Japan? | The left
Pick the odd one out: oak, birch, tulip, beech | tulip
How many minutes are there in three and a half hours? | 210
In what country was paper invented? | China
Name the tallest mountain in Japan. | Mount Fuji
Extract the surname: "Dr Helena Brandt, cardiology" | Brandt
What is the file extension of a Python script? | .py
Which key usually pastes text on a Mac? | ⌘ + V
How many sides has a heptagon? | Seven
Which string method in Python changes all letters to small ones? | lower()
What was the old name of Istanbul under the Romans? | Constantinople
Does decaf still contain some caffeine? | A little
How much is a dozen and a half? | 18
""")

YES_NO = pairs("""
May I freeze cooked beans? | Yes.
Is it all right to water cacti in December? | No.
Can two people share one library card? | No.
Does the museum open on public holidays? | Yes.
Do bees sleep? | Yes.
Will this form also be accepted by post? | Yes.
Is olive oil heavier than water? | No.
Are bats birds? | No.
Could a child of nine learn chess? | Yes.
Should the handbrake be on when parking on a slope? | Yes.
Was Mozart older than Beethoven? | Yes.
Do I need a visa to travel from Spain to Portugal as an EU citizen? | No.
Is "their" a verb? | No.
Must the lid stay closed during the spin cycle? | Yes.
Have humans ever walked on Mars? | No.
Does the warranty cover scratches? | No.
Can I pay the course fee in two instalments? | Yes.
Is zero an even number? | Yes.
Do sharks have bones? | No.
Is the swimming pool heated in winter? | Yes.
""")

APOLOGY_OPEN = (
    "I'm sorry to hear that {what}.",
    "Sorry about that, {person}!",
    "I am so sorry for your loss.",
    "Sorry, that sounds frustrating.",
    "We're very sorry that {what}.",
    "Oh no, I'm sorry!",
    "I apologise, that should not happen.",
    "I'm afraid that happens, and I'm sorry.",
)
APOLOGY = pairs("""
your parcel got wet on the way | Please send us a photo of the box, and a replacement goes out on the same day
the dentist cancelled at short notice | Ask whether they keep a waiting list; mornings become free quite often
your cat has not come home | Put an unwashed blanket outside, ask the neighbours to look into sheds, and call at dusk
the exam went badly | Look at the paper with your tutor first, since two thirds of the marks are often lost in one topic
your grandmother passed away | You can take up to three days of special leave; just send HR a short note, no proof is needed now
the soup was cold | Your next lunch is on the house, and we have spoken with the kitchen
the heating failed over the weekend | A technician will be there between eight and ten; until then a fan heater is waiting at \
the desk
your bicycle was stolen | Report it with the frame number, tell your insurer within a week, and look at online markets
the invoice was wrong | You will find the corrected one attached; the difference comes back to your account within five days
the wedding photos are blurred | Some can be sharpened: send the raw files, and pick the ten that matter most
the train was cancelled | Your ticket is valid on any later train today, and the seat fee is refunded automatically
the baby keeps crying at night | Check the three usual things, hunger, heat and wind, and take turns so that each of you sleeps \
four hours
your tomatoes were hit by hail | Cut off torn leaves, leave the stems alone, and new shoots will come within two weeks
you did not get the job | Thank them, ask for one sentence of feedback, and note which question surprised you
the update deleted your playlist | It can be brought back: open Settings, then History, and pick a date before the update
the pharmacy was closed | The night rota hangs at the door, and it is printed in the local paper as well
""")

ABOUT_AI = pairs("""
How does an AI language model work? | A language model is trained on large amounts of text. From the words so far it predicts \
the next one, \
over and over; what looks like knowledge is a very rich statistics of language.
What is the difference between machine learning and AI? | Artificial intelligence is the wider term. Machine learning is one \
branch of it, \
in which a program improves with examples instead of following fixed rules.
As an AI product manager, how should I write a roadmap? | Start with the user's problem and not with the model. List two or \
three outcomes, \
name the data you need for each, and plan an evaluation before every release.
Why do language models sometimes make things up? | They are rewarded for plausible text. If the training data is thin on a \
topic, \
the most plausible sentence may be false, and the model has no separate store of facts to look it up.
Can teachers use chatbots in class? | Yes, with clear rules. Pupils can let a chatbot draft questions and then check the \
answers against \
the textbook, which trains exactly the doubt they need.
Who invented the Turing test? | Alan Turing proposed it in 1950. A judge chats with a person and a machine; if the judge cannot \
tell them \
apart, the machine has passed.
Is it possible for an AI to hold a patent? | In most countries only a human being can be named as inventor. Courts in Britain \
and the United \
States have said so in several rulings.
Which jobs will language models change first? | Work that consists of short, similar texts: first-level support, product \
descriptions, \
summaries of meetings. Jobs that need hands or trust change more slowly.
Explain tokens to someone who has just heard of large language models. | A token is a piece of text, often a short word or part \
of a long one. \
Models read and write tokens, and prices are usually given per million of them.
As a teacher, how can I tell if an essay was written by a computer? | You can't be certain. Talk with the pupil about the text, \
compare it \
with earlier work, and set part of the task in class.
What does fine-tuning mean? | A model that already knows language is trained further on a small set of examples, so that it \
takes on a style \
or a task. It costs a fraction of the first training.
Has an AI ever beaten a Go champion? | Yes. AlphaGo won four of five games against Lee Sedol in Seoul in March 2016, and its \
move 37 in the \
second game is still discussed.
As a nurse I write many reports. Would speech recognition help me? | Probably. Dictation is about three times as fast as \
typing; choose a \
program that knows medical terms and read each report once before you sign.
What did people mean by "expert systems" in the eighties? | Programs that stored the rules of specialists, for instance for \
finding blood \
infections. They could explain each step, but keeping thousands of rules up to date was too expensive.
Do assistants on the phone listen all the time? | They wait for a wake word, which a small chip recognises on the device. What \
follows the \
word is sent to a server unless you switch that off.
How large is the training text of a modern model? | Usually several trillion tokens, which would fill millions of books. Web \
pages make up \
most of it, and a good deal of effort goes into filtering them.
""")

LINES = [
    line.strip()
    for line in """
The harbour sleeps, | a rope hums in the wind, | one gull keeps the watch | and nobody pays it.
Snow on the letterbox, | three days of silence, | then your handwriting, | blue as a vein.
The kettle begins, | low first, then sure, | as if the morning | had found its key.
My father's coat | still hangs in the hall, | with one sleeve bent | toward the door.
Rain counts the roof tiles, | loses its place, | begins again, | unhurried.
Under the bridge | the river forgets | the names of the villages | it has run through.
A bus without people | turns at the church, | lights up a wall | and takes it back.
Late apples fall | into the long grass; | wasps hold a meeting | and vote for more.
The old dog dreams, | his paws still hunting | a summer | that left before us.
We planted a stone | to see what would happen: | moss came to visit, | then a beetle, then you.
Noon in the courtyard, | sheets on the line; | a child walks through them | as through a sea.
The clock in the kitchen | has stopped being angry; | it tells us the time | when we ask.
Somewhere a piano | practises patience, | the same four notes | at the same wrong door.
My pockets are full | of small coins and tickets; | I pay for the evening | with one long look.
The moon, thin as paper, | leans on the crane; | both of them wait | for the morning shift.
On the last page | you drew a swallow, | so I would read | to the end.
Fog in the orchard; | ladders stand about | like tired visitors | with nowhere to go.
The market packs up, | one lemon left over | rolls down the hill | as free as a thought.
""".strip().split("\n")
]
POEM_ASKS = (
    "Write a short poem about {x}.",
    "A few lines of verse on {x}, please.",
    "Could I have a poem without rhymes about {x}?",
    "Compose a small poem for {person}; the subject is {x}.",
    "{X}: make a poem of it, not longer than a postcard.",
    "Poem wanted! Theme: {x}. For the back of a calendar.",
    "My choir leader needs a text about {x} in short lines.",
    "Something poetic on {x} for our newsletter",
)
POEM_THEMES = (
    "a harbour at night",
    "waiting for a letter",
    "tea in the morning",
    "my father",
    "rain",
    "a river",
    "the last bus",
    "autumn in the garden",
    "an old dog",
    "patience",
    "washing day",
    "time",
    "a neighbour who plays",
    "an evening in town",
    "the moon over a building site",
    "a book",
    "fog",
    "market day",
    "loneliness",
    "coming home",
    "a small town in winter",
)
SPEECH = pairs("""
Do you have this in blue? | Only in green, I'm afraid. | Then green it is.
Who left the gate open? | The wind did. | The wind can't lift a latch.
Is this seat taken? | It's yours, if you like chess. | I lose gladly.
You're late. | I took the stairs. | From which city?
Have you fed the cat? | Twice. | That explains her smile.
May I see your ticket? | It was here a minute ago. | They all say that.
What's for supper? | Guess. | Soup, by the sound of it.
Can you keep a secret? | Since Tuesday. | Then here is another one.
The lamp is broken again. | Did you ask it nicely? | I asked it with a hammer.
Are we there yet? | Count ten cows. | I can only see sheep.
You sold the piano? | I sold the silence around it. | Mother will notice.
How was the interview? | They asked about my hobbies. | Please say you lied.
""")
HOOKS = (
    "and the day comes round again",
    "hold the line and hold it fast",
    "who would want it otherwise",
    "so we sing until it's light",
    "leave a window open, love",
    "that is all we need to know",
    "and the rest is in the wind",
    "walk with me another mile",
)
REFRAINS = pairs("""
Row on, row on, the tide is kind | A lantern hangs above the bow | We left the pier an hour behind
Oh carry me home, carry me home | The road is long and made of dust | My boots are thin, my coat is foam
Sing low, sing low, the night is near | The baker shuts his wooden door | A sleepy cart is all we hear
Turn the wheel and turn it slow | Clay on my hands, clay on my sleeve | What it becomes I do not know
Hey ho, the apples fall | A basket here, a ladder there | The youngest climbs above us all
Ring, little bell, ring | The goats come down from higher ground | And with them comes the smell of spring
La la la, the summer's gone | We fold the chairs, we count the shells | One tune is left and lingers on
""")
REPEATED = pairs("""
What did the judge say when the twins asked for a third dessert? Tell it as a joke. | "No, no, no," said the judge, "two sins \
are enough \
for two twins!"
Translate the sentence "Das ist sehr, sehr weit" into English. | That is very, very far.
Is "that that" ever correct English? | Yes. In "I know that that is true", the first "that" joins the clauses and the second \
one is a pronoun.
Why do people say "bye bye" rather than "bye"? | Doubling makes words softer and friendlier: bye bye, night night, choo choo, \
no no.
What sound does a steam engine make in a picture book? | Choo choo choo choo, and at the end a long hiss
Write the cheer our team shouts. | Go, go, go, Hawks! Go, go, go, Hawks! Who flies high? We fly high!
Give me an example of a sentence with "had had". | She had had enough of the noise long before the neighbours had.
How would you write laughter in a chat, four times? | hahaha, hehe, lol, ha
Recite the nursery line about the boat. | Row, row, row your boat, gently down the stream. Merrily, merrily, merrily, merrily, \
life is but a dream.
What does a metronome at 60 sound like, written down? | tick, tock, tick, tock, tick, tock, tick, tock
Explain the sentence: "Buffalo buffalo Buffalo buffalo buffalo buffalo Buffalo buffalo." | It plays on three meanings: the \
city, the animal \
and the verb "to bully". Bison from Buffalo that other bison from Buffalo bully also bully bison from Buffalo.
Make this more emphatic: "It was a cold night." | It was a cold, cold night; the coldest, coldest night I can remember.
What do the seagulls say in that cartoon film? | Mine! Mine! Mine! Mine!
Which words repeat themselves in the children's rhyme about rain? | "Rain, rain, go away", and then again "rain, rain"
Help me greet a baby in a card. | Ten little toes, ten little fingers, ten thousand kisses. Welcome, welcome, welcome, little one!
How does a drill sergeant count in a film? | Left, right, left, right, left! And again: left, right, left, right, left!
""")
TRANSLATED_REFUSALS = pairs("""
Translate into English: "Tut mir leid, ich kann heute Abend nicht kommen." | I'm sorry, I can't come tonight.
How would a shop assistant politely say that an item may not be exchanged? | "I'm afraid we can't exchange underwear, but I can \
offer you \
a voucher."
Put into English: "Désolé, je ne peux pas vous aider ce soir, le bureau est fermé." | Sorry, I can't help you tonight, the \
office is closed.
Rewrite more politely: "No. I won't lend you my car." | I'd rather not lend out my car, I hope you understand.
Write the line in which the knight refuses to bow. | "I cannot kneel to a crown that was bought," said the knight, and he kept \
his helmet on.
How do I decline an invitation to a wedding? | Thank you so much for thinking of us. Unfortunately we can't be there in June, \
but we will \
raise a glass to you both!
Give an example of a sentence with "unable". | She was unable to open the jar until her brother warmed the lid.
""")
SIMILAR_QUESTIONS = (
    "Is {x} open on Sundays?",
    "How do I get to {x} by bus?",
    "How much does {x} cost for children?",
    "Where can I park near {x}?",
    "Are dogs allowed at {x}?",
    "Can I visit {x} in a wheelchair?",
    "When was {x} built?",
    "Is there a café at {x}?",
    "Do I have to book {x} in advance?",
    "Which tram stops at {x}?",
    "Who runs {x}?",
    "Are there guided tours of {x}?",
)
SIGHTS = (
    "the castle",
    "the town hall",
    "the botanical garden",
    "the tram museum",
    "the old mill",
    "the observatory",
    "the lido",
    "the maritime archive",
    "the salt works",
    "the puppet theatre",
    "the deer park",
    "the brewery",
    "the lighthouse",
    "the abbey",
)


def numbered_item(bank: list[tuple[str, ...]], group: str, hard: str) -> Callable[[Random], Draft]:
    def make(rng: Random) -> Draft:
        question, answer = rng.choice(bank)
        return single(question, answer, group, hard)

    return make


def apology(rng: Random) -> Draft:
    what, advice = rng.choice(APOLOGY)
    person = rng.choice(PEOPLE)
    ask = rng.choice(
        (
            "I must tell you that {what}. What now?",
            "Hello, {what}. What do you suggest?",
            "{What}! I'm at my wits' end.",
            "This is {person} writing, and {what}.",
            "What can be done when {what}?",
            "Unfortunately {what}. Can anything be saved?",
        )
    )
    question = ask.format(what=what, What=what[:1].upper() + what[1:], person=person)
    opening = rng.choice(APOLOGY_OPEN).format(what=what, person=person)
    if "loss" in opening and "passed away" not in what:
        opening = "I'm sorry, that is annoying."
    closing = rng.choice(
        ("", "", " Write again if it doesn't help.", " I hope that helps a little.", " And please don't blame yourself.")
    )
    return single(question, f"{opening} {advice}.{closing}", "apology", "apology that is no refusal")


def poem(rng: Random) -> Draft:
    theme = rng.choice(POEM_THEMES)
    ask = rng.choice(POEM_ASKS).format(x=theme, X=theme[:1].upper() + theme[1:], person=rng.choice(PEOPLE))
    stanzas = ["\n".join(part.strip() for part in stanza.split("|")) for stanza in rng.sample(LINES, rng.choice((2, 2, 3)))]
    title = f"*{theme[:1].upper() + theme[1:]}*\n\n" if rng.random() < 0.4 else ""
    return single(ask, title + "\n\n".join(stanzas), "poem", "poem with short lines")


def script(rng: Random) -> Draft:
    first, second = rng.sample(PEOPLE, 2)
    place = rng.choice(("a shop", "a stable", "a train", "an office", "a kitchen", "a museum", "a lighthouse", "a waiting room"))
    ask = rng.choice(
        (
            "Write a tiny dialogue in {place}.",
            "Scene for two voices, set in {place}; names {a} and {b}.",
            "Two people talk in {place}. Script?",
            "Our drama group needs a sketch with {a} and {b} in {place}.",
            "I need a humorous exchange for {place}, six to nine lines.",
        )
    )
    turns = [line for lines in rng.sample(SPEECH, rng.choice((2, 3))) for line in lines]
    names = (first.upper(), second.upper()) if rng.random() < 0.4 else (first, second)
    body = "\n".join(f"{names[i % 2]}: {line}" for i, line in enumerate(turns))
    return single(ask.format(place=place, a=first, b=second), body, "script", "dialogue script")


def song(rng: Random) -> Draft:
    chorus, one, two = rng.choice(REFRAINS)
    other = rng.choice([r for r in REFRAINS if r[0] != chorus])
    theme = rng.choice(POEM_THEMES)
    ask = rng.choice(
        (
            "Write song lyrics about {x} with a refrain.",
            "I need a folk song, theme {x}, chorus twice.",
            "Lyrics for the scouts: {x}.",
            "Make a sea shanty out of {x}",
            "Song text, two verses, the refrain repeated: {x}",
        )
    )
    hook = rng.choice(HOOKS)
    refrain = f"{chorus},\n{hook}!"
    body = f"{one},\n{two}.\n\n{refrain}\n\n{other[1]},\n{other[2]}.\n\n{refrain}"
    return single(ask.format(x=theme), body, "song", "lyrics with a refrain")


def similar_questions(rng: Random) -> Draft:
    sight = rng.choice(SIGHTS)
    place = rng.choice(PLACES)
    chosen = rng.sample(SIMILAR_QUESTIONS, rng.choice((4, 5, 6)))
    ask = rng.choice(
        (
            "Which questions do visitors of {x} in {p} ask most?",
            "List questions a tourist might put about {x}.",
            "Generate ways of asking about {x} for our chatbot in {p}.",
            "Brainstorm FAQ titles, topic: {x}.",
        )
    )
    style = rng.choice(("- ", "num", ""))
    lines = [(f"{i}. " if style == "num" else style) + q.format(x=sight) for i, q in enumerate(chosen, 1)]
    return single(ask.format(x=sight, p=place), "\n".join(lines), "questions", "list of similar questions")


def letter(rng: Random) -> Draft:
    sender, receiver = rng.sample(PEOPLE, 2)
    day, place = rng.choice(DAYS), rng.choice(PLACES)
    subject, body = rng.choice(
        (
            (
                "move our meeting",
                f"could we meet on {day} instead? The architect can only come in the afternoon, "
                "and I would like to have her there.",
            ),
            (
                "thank a host",
                f"the days in {place} were a gift. We still talk about the lake, the pancakes and your patience at cards.",
            ),
            (
                "ask for a reference",
                f"I'm applying for a post in {place} and wonder whether you would write me a short reference.",
            ),
            ("invite the street", f"we are putting tables outside on {day} from five. Bring a chair, a dish and a story."),
            ("remind the choir", f"the rehearsal starts at seven sharp on {day}. Please bring a pencil and the green folder."),
            (
                "complain about noise",
                f"the drilling began at six again this {day}. May I ask you to keep to the hours in the house rules?",
            ),
            (
                "cancel a gym contract",
                f"I hereby cancel my membership at the next possible date, as I'm moving to {place}. Please confirm in writing.",
            ),
            (
                "apply for an internship",
                f"I study forestry in {place} and would love to spend August with your team. My CV is enclosed.",
            ),
        )
    )
    ask = rng.choice(
        (
            "Write a short letter to {r} to {s}.",
            "Draft an e-mail: {s}. From {f}, to {r}.",
            "How would I {s} in a polite message to {r}?",
            "Please {s} for me in writing ({r} is the addressee).",
            "Message to {r}, purpose: {s}",
        )
    )
    greeting = rng.choice(("Dear", "Hello", "Good morning"))
    closing = rng.choice(("Best regards", "With kind regards", "Yours", "Warm wishes", "See you soon", "Many thanks in advance"))
    answer = f"{greeting} {receiver},\n\n{body}\n\n{closing},\n{sender}"
    return single(ask.format(r=receiver, s=subject, f=sender), answer, "letter", "ends with a signature")


FAMILIES = {
    "short": numbered_item(SHORT, "short", "short answer without full stop"),
    "yes_no": numbered_item(YES_NO, "yes_no", "same answer for different questions"),
    "about_ai": numbered_item(ABOUT_AI, "about_ai", "question about AI"),
    "repeated": numbered_item(REPEATED, "repeated", "words repeated on purpose"),
    "translated": numbered_item(TRANSLATED_REFUSALS, "translated", "refusal as the topic"),
    "apology": apology,
    "poem": poem,
    "script": script,
    "song": song,
    "questions": similar_questions,
    "letter": letter,
}

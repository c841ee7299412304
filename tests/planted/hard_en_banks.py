"""English questions, answers and snippets for rows that look like defects and are none."""

from __future__ import annotations

from .hard_en import pairs

TAGS = pairs("""
div | groups elements into a block without any meaning of its own | a layout needs a box to hang styles on
span | marks a stretch of text inside a line | one word shall have another colour
br | ends the line without starting a new paragraph | a postal address has to keep its lines
p | holds one paragraph | running text is divided into thoughts
a | makes a link out of its content; the target stands in `href` | readers should get to another page
img | shows a picture whose address stands in `src` | a photo belongs into the text
ul | opens a list without numbers; each entry is an `<li>` | the order of the entries does not matter
table | lays out data in rows of `<tr>` with cells `<td>` | figures have to be compared line by line
script | loads or contains JavaScript | a page should react to clicks
section | bundles content that shares one heading | a long page has chapters
iframe | shows another page inside a frame | a map is to be embedded
label | names a form field and makes it easier to hit | people fill in a form with a thumb
nav | tells browsers and screen readers where the menu is | a page has a menu that is repeated everywhere
pre | keeps blanks and line breaks as they are | you print a listing
blockquote | sets off a longer quotation | somebody else's words run over several lines
figure | ties a picture to its caption in `<figcaption>` | illustrations need a text below
template | holds markup that is not shown until a script copies it | cards are drawn again and again
canvas | offers an area on which scripts can paint | a chart is redrawn every second
""")
TAG_ASKS = (
    "What does the tag `<{t}>` do?",
    "When should I use `<{t}>` in a page?",
    "Is `<{t}>` still good practice in HTML5?",
    "Why does my validator complain about `<{t}>`?",
    "Explain `<{t}>` to an apprentice.",
    "Our style guide bans `<{t}>`. Is that sensible?",
    'In HTML, how is `<{t}>` different from a plain `<div class="x">`?',
)
GENERICS = pairs("""
What does List<String> mean in Java? | It is a list that may hold only strings, so list.get(0) needs no cast.
Why can't I assign a List<Integer> to a List<Number>? | Because then somebody could add a Double to it. Write List<? extends \
Number> when you \
only read.
In Rust, what is Option<T> for? | It says that a value may be missing: either Some(x) or None, and the compiler makes you treat \
both.
Difference between Array<number> and number[] in TypeScript? | There is none; both name the same type. Most teams pick number[] \
for short types.
How do I declare a Map<String, List<Integer>> in Java? | Like this: `Map<String, List<Integer>> scores = new HashMap<>();`
What is Vec<u8> used for? | It is Rust's growable buffer of bytes, handy for files and network packets.
When do I need Promise<void> as a return type? | For async functions that finish without handing back a value, such as saving a \
file.
Could you explain std::vector<int> v(10)? | It creates a vector of ten integers, all zero.
Is Dictionary<string, int> ordered in C#? | You must not rely on it. Take SortedDictionary<string, int> if the order of keys \
matters.
What does the compiler want with Box<dyn Error>? | A pointer to any error type. It lets a function return errors of different \
kinds with `?`.
Why is Optional<User> better than null? | The signature tells the caller that the user may be missing, and map or orElse \
replace nested ifs.
""")
COMPARISONS = pairs("""
When is the expression a < b and c > d true? | Only if both halves hold: a is smaller than b, and at the same time c is larger \
than d.
Is x <y the same as x < y in Python? | Yes, blanks make no difference there. Style guides ask for x < y.
Why does 1 < x < 5 not work in C? | C evaluates 1 < x first and then compares 0 or 1 with 5, so the result is always true.
What does p < 0.05 mean in a medical paper? | Results at least this extreme would turn up in fewer than 5 % of studies if there \
were no effect.
My filter "price > 10 & price < 20" returns nothing. Why? | In pandas you need brackets: (df.price > 10) & (df.price < 20)
How do I show that a < b implies a + c < b + c? | Subtract: (b + c) - (a + c) = b - a, which is > 0 by assumption.
What do the signs in "pH < 7 > pOH" tell me? | That line is sloppy. Write pH < 7 for an acid; then pOH > 7 follows at room \
temperature.
Can I write if (a <b && c> d) in Java? | Yes. It looks odd, but the compiler ignores the blanks; a formatter will tidy it up.
Sort by age descending, but only people with age > 30 and < 65: how in SQL? | ```sql\\nSELECT name FROM staff\\n\
WHERE age > 30 AND age < 65\\nORDER BY age DESC;\\n```
What is the meaning of "->" and "<-" in R? | Both assign. x <- 5 is the usual style, 5 -> x does the same from left to right.
""")
HANDLES = pairs("""
Who should I mention in the post about the concert? | Mention @anna and @the_lost_strings, and use the tag #livemusic
What does @override do in Java? | It tells the compiler that the method replaces one of the parent class; a typo is then an error.
How do I log in to the Raspberry Pi from my laptop? | Type `ssh pi@raspberrypi` and confirm the fingerprint once.
Why does "ssh deploy@web01" ask for a password? | Your key has not been copied. Run `ssh-copy-id deploy@web01` and try again.
Is "@home" a handle or an address? | Neither; here it only means that something happens at home.
In Python, what is the @ in front of property? | A decorator. @property turns a method into an attribute that is computed when \
you read it.
Caption for a photo with our two interns? | Coffee first ☕ Thanks @jonas and @mei, see you in spring!
How does scp know where to copy the file? | The target has the form user@host:path, so `scp a.txt root@nas:/backup` puts the \
file on the machine nas.
What is meant by 5 apples @ 40 cents? | The sign stands for "at the price of", so the five cost two euros.
Whom do I tag on the forum if the wiki is down? | Tag @ops-team; at weekends @nightshift reads along.
""")
SECTIONS = pairs("""
Where is the torque for the wheel bolts given? | See section {s} of the workshop manual; the table lists 120 Nm for steel rims.
Which clause covers late delivery? | Clause {s} covers it, together with annex B.
Where do I find the rule on lane markings? | It stands in chapter {s}, below the diagram of a junction.
What changed in version {v} of the reader? | Release {v} brings dark mode and repairs the search. Anything older than {w} has \
to be updated first.
Does the plugin run on {v}? | Yes, it needs at least {w}, and we test with {v} every night.
Can I skip from {w} straight to {v}? | Not quite. Stop at the last patch before {v}, migrate the database, then go on.
How do I cite paragraph {s}? | Write "section {s}" with the year of the edition, and no page number.
Why is my driver {v} not recognised? | The installer looks for build {w}. Remove the old entry from the device list and install \
it again.
Who approves deviations according to {s}? | The site manager does, in writing, and the reason goes into annex C.
My {v} crashes when I export | That was repaired in {v}.1; until you can update, export page by page.
Look into {s} and tell me the legal minimum height | It says 2.40 m for living rooms, measured without beams.
Firmware {w} or {v} for the camera, which is stable? | Stay with {w} until the fault with long exposures in {v} is solved.
Figure {s} in the handbook is upside down | Thanks, it will be corrected in the next printing.
On what page does section {s} begin? | Page 214, right after the photo of the pump
Is {v} of the library compatible with {w}? | The file format is the same. Function names changed in two places; see the notes \
on {v}.
Requirement {s} contradicts the drawing. | The text takes precedence over drawings, as the preface explains.
Is the note in {s} binding? | No. Notes explain; only the numbered sentences are binding.
Browser version {b} shows a blank page. Known? | Yes, {b} has that fault. The next build fixes it.
""")
ORDERS = pairs("""
Where is my parcel with tracking number {o}? | It left the depot in {p} this morning and should arrive on {d}.
Please cancel order {o}. | Order {o} is cancelled, and the amount goes back to your card within five days.
I was charged twice for order no. {o}! | You are right, and we are sorry. The second charge for {o} is being returned today.
Can the delivery {o} be sent to a neighbour? | Certainly. Enter the name under "Change delivery" next to shipment {o}.
What does status 7 mean for consignment {o}? | The consignment is waiting at customs; usually it moves on within two working days.
Which invoice belongs to reference {o}? | The one dated {date}. It lists three items, 24 screws among them.
How do I register the serial number {o}? | Open the app, choose Devices, and type in {o} without blanks.
Is ticket {o} valid on the night train? | It is, if you add the supplement. Reservation {o} alone does not include a berth.
Look up claim {o}, please. | Claim {o} was received on {date}; the assessor calls you by {d}.
What is the ISBN of the field guide? | ISBN {isbn}
My voucher {o} is refused at the till. | Voucher {o} is only valid online; enter it on the last page before you pay.
The scanner in {p} reads {o}. Which article is that? | That code belongs to the enamel teapot, 1.2 litres, red.
Contract {o}: how long is the notice period? | Three months to the end of a quarter, so the next date after {date} is the end \
of the term.
I typed in meter reading {o} by mistake | No problem. Delete the entry under "Readings" and send the five black digits only.
Batch {o} smells odd, is there a recall? | No recall so far. Please keep the jar of batch {o} closed; a courier collects it on \
{d}.
Does the membership {o} include the pool in {p}? | It does, on weekdays before four.
Transfer reference {o} is missing in our books | It arrived on {date} under the name of a subsidiary; the clerk has assigned it \
now.
For the customs form, what is {o}? | The first part is the tariff number, the rest a counter of your own.
Luggage tag {o}, flight from {p}, nothing came out. | The suitcase was loaded one flight later and reaches you by {d} noon.
Can I pay the reminder {o} in two parts? | Gladly: half now, half within thirty days. Quote {o} on both transfers.
Barcode under the lid says {o}, is the model still made? | Production ended in {y}, but spare parts are kept for ten years.
Why does my exam number {o} not appear in the list? | Lists are published by faculty; yours is on the second page from {d} on.
Donation {o}: will I get a receipt? | Receipts for the whole year are mailed every February.
Our van's insurance {o} lists the wrong plate | We have changed it, and the new card follows by post to {p}.
Do you stock the paperback {isbn}? | The paperback with ISBN {isbn} can be here by {d}, for 14.90 euros.
""")
FIGURES = pairs("""
How many people fit into the stadium in {p}? | About {q}000 people, {k}000 of them standing.
How much was collected at the {m} fair? | {k}{q}00.50 euros, which is 12 % more than in {y}.
In which year was the bridge in {p} opened? | {y}
When does the course in {p} begin? | {date}
What number do I ring in an emergency in Europe? | 112
Who do I call in the US if there is a fire? | 911
Which number was on the card you sent? | It ends in {q}{k}; the rest is masked: **** **** **** {q}{k}
Could you confirm the phone number on my account? | For safety we show only part of it: +44 **** ***{k}{q}
What is the population of {p} in our exercise? | 5{k}0,{q}12
What does the flat in {p} cost? | €{k}50 a month, deposit €{q}00
Round 3.{k}4{q}9 to two decimals. | 3.{k}
Give me the room for the {d} seminar. | Room 2.{k}, building {q}
What are the opening hours on {d}? | 9:{k}–17:{q}
Which router address do I type in at home? | 192.168.1.1
Why does ping 127.0.0.1 always work? | That address is your own machine, so the packet never leaves it.
Is 10.0.{k}.{q0} reachable from outside? | No. Addresses that begin with 10 are private and are not routed on the internet.
""")
SPECIAL = pairs("""
How do I write one half and three quarters as single characters? | ½ and ¾
Which sign stands for a square metre? | m²
Which single characters stand for the Roman numerals four, nine and twelve? | Ⅳ, Ⅸ and Ⅻ
Number these stations with circled digits: gate, pond, tower. | ① gate ② pond ③ tower
What does ™ mean behind a name? | The owner claims it as a trade mark, registered or not; ® is only for registered ones.
How is "naïve" pronounced? | Like nah-EEV; the two dots show that a and i are spoken apart.
Who composed the waltz "An der schönen blauen Donau"? | Johann Strauss II
Is it café or cafe in English? | Both are correct. With the accent, café keeps a trace of its French origin.
Spell the names of the Müller and Núñez families for the door sign. | Müller · Núñez
What is the Japanese sign 々 for? | It repeats the character before it, as in 人々 (people) or 時々 (sometimes).
How do I read the name 王小明? | Wang Xiaoming; the family name 王 comes first.
Who is Zhang Wei (张伟) in your example? | Just a name for a student; it is one of the most frequent in China.
Which temperature is meant by −5 °C in Fahrenheit? | 23 °F
Tell me the Danish for "red porridge with cream". | rødgrød med fløde
Translate "São Paulo's heart" into Portuguese. | o coração de São Paulo
What is the em dash for? | It marks a sudden turn—like this one—or sets off an aside.
Should I use straight or curly quotes in a book? | Curly ones: “like these”, and ‘these’ for a quotation inside. Straight \
quotes are for code.
Write the Vietnamese name of Hanoi with all its marks. | Hà Nội
Which castles on the Loire should I see, with accents please? | Château de Chambord, Château de Chenonceau, Azay-le-Rideau
How does Poland spell its second city? | Kraków is well known, but the second largest city is Łódź
What is 5 × 10³ in plain digits? | 5000
Can you recommend a crème brûlée, in one line? | Take real vanilla, and let it chill overnight before you caramelise the top 🍮
Wish my team a good start on Monday. | Have a brilliant start, everyone 🚀✨
Celebrate our 100th customer in a post. | One hundred of you! Thank you 🎉🥳
""")
FORMULAS = pairs("""
What is the formula for the area of a circle? | A = πr²
State Ohm's law. | U = R · I
How is kinetic energy computed? | E = ½ · m · v²
Pythagoras, please, as a formula | a² + b² = c²
Give me the quadratic formula in LaTeX. | $x = \\frac{-b \\pm \\sqrt{b^2 - 4ac}}{2a}$
What's the sum of the first n integers? | n(n + 1)/2
Compound interest after n years? | K · (1 + p/100)^n
How do I work out the body mass index? | weight in kg / (height in m)²
Photosynthesis as an equation? | 6 CO₂ + 6 H₂O → C₆H₁₂O₆ + 6 O₂
Write Euler's identity. | e^(iπ) + 1 = 0
Turn 86 °F into Celsius and show the working. | (86 − 32) · 5/9 = 30
How do I express speed? | v = s / t
Which formula gives the volume of a cone? | V = ⅓ · π · r² · h
""")
CODE = {
    "html": (
        ("a minimal page with a heading", "<!DOCTYPE html>\n<html>\n  <body>\n    <h1>{P}</h1>\n  </body>\n</html>"),
        (
            "a form with one text field",
            '<form action="/search">\n  <input name="q" placeholder="{P}">\n  <button>Go</button>\n</form>',
        ),
        ("a list of three towns", "<ul>\n  <li>{P}</li>\n  <li>{Q}</li>\n  <li>Home</li>\n</ul>"),
        ("a link that opens in a new tab", '<a href="/about" target="_blank" rel="noopener">About {P}</a>'),
        (
            "a table with two columns",
            "<table>\n  <tr><th>Town</th><th>Day</th></tr>\n  <tr><td>{P}</td><td>{D}</td></tr>\n</table>",
        ),
    ),
    "xml": (
        ("a note with sender and receiver", "<note>\n  <from>{A}</from>\n  <to>{B}</to>\n  <day>{D}</day>\n</note>"),
        ("a feed entry", "<entry>\n  <title>{P} in {M}</title>\n  <updated>2024-0{n}-1{n}T08:00:00Z</updated>\n</entry>"),
        (
            "a config with two servers",
            '<servers>\n  <server name="{p}" port="80{n}0"/>\n  <server name="{q}" port="81{n}0"/>\n</servers>',
        ),
    ),
    "python": (
        ("a function that greets by name", 'def greet(name: str) -> str:\n    return f"Hello, {{name}}!"\n\nprint(greet("{A}"))'),
        (
            "a loop over the lines of a file",
            'with open("{p}.txt", encoding="utf-8") as handle:\n    for line in handle:\n        print(line.strip())',
        ),
        ("a dictionary of ages", 'ages = {{"{A}": 3{n}, "{B}": 4{n}}}\noldest = max(ages, key=ages.get)\nprint(oldest)'),
        ("a filter for even numbers", "even = [x for x in range({n}0) if x % 2 == 0]\nprint(sum(even))"),
        (
            "a class for a savings account",
            'class Account:\n    def __init__(self, owner="{A}"):\n        self.owner = owner\n        self.balance = 0\n\n'
            "    def pay_in(self, amount):\n        self.balance += amount",
        ),
    ),
    "sql": (
        ("a query for sales in one town", "SELECT day, SUM(amount)\nFROM sales\nWHERE town = '{P}'\nGROUP BY day;"),
        ("a table for members", "CREATE TABLE members (\n  id INTEGER PRIMARY KEY,\n  name TEXT NOT NULL,\n  joined DATE\n);"),
        ("an update that raises prices", "UPDATE goods\nSET price = price * 1.0{n}\nWHERE shelf = '{p}' AND price < {n}0;"),
    ),
    "json": (
        ("one person with hobbies", '{{\n  "name": "{A}",\n  "town": "{P}",\n  "hobbies": ["chess", "running"]\n}}'),
        ("settings with a nested object", '{{"theme": "dark", "autosave": {{"every": {n}, "unit": "minutes"}}}}'),
        ("a list of appointments", '[\n  {{"day": "{D}", "at": "0{n}:30"}},\n  {{"day": "{D}", "at": "1{n}:15"}}\n]'),
    ),
    "bash": (
        ("a backup of a folder", "tar -czf {p}-$(date +%F).tar.gz ~/{q}\nls -lh *.tar.gz"),
        ("a loop that renames pictures", 'for f in *.JPG; do\n  mv "$f" "{p}_${{f%.JPG}}.jpg"\ndone'),
        ("a search for big files", "find /var -size +{n}00M -exec ls -lh {{}} \\;"),
    ),
    "java": (
        (
            "a list of names that gets sorted",
            'List<String> names = new ArrayList<>();\nnames.add("{A}");\nnames.add("{B}");\nCollections.sort(names);',
        ),
        ("a loop with two conditions", "for (int i = 0; i < {n}0 && i * i > -1; i++) {{\n    System.out.println(i);\n}}"),
        ("a generic pair", 'record Pair<A, B>(A first, B second) {{}}\n\nvar p = new Pair<>("{A}", {n});'),
    ),
    "css": (
        ("a box with round corners", ".card {{\n  border-radius: {n}px;\n  padding: 1rem;\n}}\n\n.card > h2 {{ margin: 0; }}"),
        ("a two-column layout", "main {{\n  display: grid;\n  grid-template-columns: 1fr {n}fr;\n  gap: 2rem;\n}}"),
    ),
}
CODE_ASKS = (
    "Show me {x} in {l}.",
    "How would you write {x}? Language: {l}",
    "{l} snippet needed: {x}",
    "I'm learning {l}. What does {x} look like?",
    "Give an example of {x}, written in {l}, without explanation.",
    "Could you code {x} ({l})?",
    "Please produce {x} as {l}",
    "For my class I need {x}; we use {l}.",
)
CODE_INTRO = (
    "Like this:",
    "Here you go:",
    "One way to do it:",
    "This will do:",
    "The shortest version I know:",
    "Try this:",
    "",
    "",
)
CODE_OUTRO = (
    "",
    "",
    "",
    "Replace {A} by the value you need.",
    "It runs as it stands.",
    "Mind the indentation.",
    "Save it in a file of its own and open it.",
    "Names such as {P} are only examples.",
)
FORMS = pairs("""
Label for a parcel: {a} lives in {p}, {st} {h} | {a}\\n{h} {st}\\n{z} {p}
Where should the flowers for {a} go? | {h} {st},\\nsecond floor,\\n{z} {p}
Our {p} office moved. New address line by line? | {h} {st}\\nEntrance B\\n{z} {p}
Format this for a letterhead: {a}, violin maker, {st} {h}, {p} | {a}\\nViolin maker\\n{h} {st}\\n{p}
Parse the address into lines: {a}, {h} {st}, {z} {p} | {a}\\n{h} {st}\\n{z} {p}
How do I address an envelope to {a} at {h} {st} in {p}? | {a}\\n{h} {st}\\n{p} {z}\\n\\nThe stamp goes into the upper right corner
Where does the {st} branch stand in {p}? | {h} {st}\\n{z} {p}\\nopposite the fountain
""")
STREETS = (
    "Mill Lane",
    "Harbour Road",
    "Chestnut Avenue",
    "Station Street",
    "Church Walk",
    "Canal Quay",
    "Orchard Close",
    "Weaver's Yard",
)
ROUTINE = (
    "water the plants",
    "sort the post",
    "check the fridge",
    "count the till",
    "sweep the yard",
    "test the alarm",
    "feed the hens",
    "wipe the tables",
    "read the meter",
    "sharpen the chisels",
    "air the hall",
    "lock the gate",
)
VERBS = ("Open", "Press", "Check", "Turn", "Select", "Remove", "Hold")
OBJECTS = (
    "the left valve",
    "the menu",
    "the green button",
    "the cover",
    "the second drawer",
    "the filter",
    "the reset key",
    "the cable",
    "the upper tray",
    "the language list",
    "the battery",
    "the main switch",
)
LINKS = (
    "https://www.python.org/downloads/",
    "https://en.wikipedia.org/wiki/Sourdough",
    "https://docs.djangoproject.com/en/5.0/",
    "https://www.gutenberg.org/ebooks/1342",
    "https://developer.mozilla.org/docs/Web/CSS",
    "https://www.openstreetmap.org/#map=6/54.9/-3.4",
    "https://git-scm.com/book/en/v2",
    "https://www.iana.org/time-zones",
    "https://sqlite.org/lang.html",
    "https://www.nhs.uk/conditions/",
    "https://pandas.pydata.org/docs/user_guide/",
    "https://www.rfc-editor.org/rfc/rfc9110",
)
LINK_ABOUT = (
    "Python installers",
    "sourdough history",
    "Django basics",
    "a free Jane Austen text",
    "CSS reference pages",
    "a free map",
    "a git handbook",
    "time zone data",
    "SQLite syntax",
    "a list of illnesses",
    "a pandas guide",
    "the HTTP standard",
)
QUOTES = pairs("""
What did Descartes say about thinking? | "I think, therefore I am."
Quote the first words of Moby-Dick. | "Call me Ishmael."
Which words did Neil Armstrong use on the moon? | "That's one small step for man, one giant leap for mankind."
Give me the motto of the musketeers. | "All for one, one for all!"
How does Hamlet's best-known line go? | "To be, or not to be, that is the question"
Cite a proverb about patience. | "Rome wasn't built in a day" (twelfth century, from French)
What stands above the door of the bakery in your story? | "Fresh since 1904"
Which abbreviation do dentists use for the upper left canine? | 23 (in the FDI scheme)
How do I cite this paper in the running text? | (Okafor & Lind, 2019)
Which tuple does divmod(17, 5) give? | (3, 2)
Print the Python list of the vowels. | ['a', 'e', 'i', 'o', 'u']
What should the placeholder for a name look like? | [first name]
""")

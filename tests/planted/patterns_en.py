"""English ways to ask about the facts and to answer."""

DISHES = """
~ I'm cooking for {n} people on {day}.
~ My friend {person} is coming over.
~ Total beginner here, with one pot and a small stove.
~ We rent a cabin near {place} and the kitchen is tiny.
~ Yesterday's dinner was a letdown.

# one
? How do I make {name}?
? Could you walk me through {name} step by step?
? I want to try {name} this {day}. What comes first?
? Write down a simple method for {name}.
? {name:cap} at home: which ingredients, which steps?
= Get these ready: {ingredients}. | For {name} you need {ingredients}. | The shopping list is short: {ingredients}.
= Plan about {minutes} minutes from the first cut to the table. | The whole thing takes around {minutes} minutes. | -
= The one thing that matters: {trick}. | Above all, {trick}. | Cooks who get it right always {trick}.
= Watch out for {cause}; otherwise {fail}. | If {fail}, the reason is usually {cause}.
= Serve it with {side}. | {side:cap} goes well with it. | Put {side} on the table next to it.

# one
? Why is it that {fail} when I cook {name}?
? My {name} is a disaster again: {fail}. What am I doing wrong?
? {fail:cap} every time I attempt {name}. Any idea?
? What causes this in {name}: {fail}?
= That is almost always down to {cause}. | The usual culprit is {cause}. | Nine times out of ten it comes from {cause}.
= Next time, {trick}. | To avoid it, {trick}, and taste as you go. | What helps is simple: {trick}.
= Today's batch is still good to eat, especially with {side}. | Don't throw it away; with {side} nobody will complain. | -
= Allow the full {minutes} minutes, too. | Rushing makes it worse, so keep to {minutes} minutes. | -

# one
? How long does {name} keep?
? Can leftovers of {name} be stored, and for how long?
? Is it safe to eat {name} that I made on {day}?
? We have half a pot of {name} left. What now?
! {keep:cap}
! {keep:cap}, no longer
= Leftovers keep like this: {keep}. | You can count on {keep}. | In our experience: {keep}.
= Let it cool within two hours and close the lid only when it is cold. | Use a flat container so that it cools fast. | -
= When it smells sour or looks slimy, out it goes. | Trust your nose, and throw it away if you are in doubt. | -
= Warm up only what you eat, with {side} on the plate. | Reheat a portion until it steams. | Fresh {side} makes it new again.

# one
? Make a shopping list for {name}, please.
? What should I buy for {name} if {n} guests are coming?
? Shopping for {name}: what goes into the basket?
= Here is what you need:\\n\\n{ingredients:bul} | For {n} people, buy plenty of each:\\n\\n{ingredients:bul}
= To go with it, pick up {side}. | On the side: {side}. | -
= Quantities are forgiving, apart from {ingredients:0}. | It all depends on good {ingredients:0}. | -

# one
? I need a schedule for {name}; we eat at seven.
? When do I have to start with {name} so that it is ready at half past six?
? Plan my evening: {name} plus {side}, please.
? How much time should I set aside for {name}?
! {minutes} minutes
! About {minutes} minutes
= Count back {minutes} minutes from the meal and add ten for laying the table. | It takes {minutes} minutes; start a little
  earlier.
= Begin with {ingredients:0}, then turn to {ingredients:1}. | First deal with {ingredients:1}, and only then with {ingredients:2}.
= While it cooks, prepare {side}. | Use the waiting time for {side}. | -
= Don't hurry the last step, or {fail}. | Beware of {cause}, or {fail}. | -

# pair
? {a.name:cap} or {b.name} for a weeknight with {n} guests?
? Which is less work, {a.name} or {b.name}?
? I can't choose between {a.name} and {b.name}.
? Compare {a.name} with {b.name} for somebody who has little time.
= {a.name:cap} takes {a.minutes} minutes, {b.name} {b.minutes}. | Count {a.minutes} minutes for {a.name} and {b.minutes} for
  {b.name}.
= With the first, remember to {a.trick}; with the second, {b.trick}. | The knack of {a.name}: {a.trick}. For {b.name}:
  {b.trick}. | -
= If you already have {a.ingredients:0} at home, take the former; if there is {b.ingredients:0}, the latter.
  | Buy {a.ingredients:or} on the one hand, or {b.ingredients:or} on the other.
= Leftovers decide it for me: {a.keep} against {b.keep}. | {a.side:cap} suits the one, {b.side} the other.

# table
% Dish=name; Minutes=minutes; Keeps=keep; Served with=side; Key step=trick
? Draw up a table with {wanted} for {names}.
? Table please: {names}, with columns for {wanted}.
? For our cooking club I need {wanted} of {names} side by side.
= Here is the overview: | These are the usual values for home kitchens. | -
"""

AILMENTS = """
~ My father is {n}0 years old and otherwise healthy.
~ I'm on holiday near {place}.
~ Our doctor is away until {day}.
~ This is for a leaflet at our sports club.
~ My flatmate {person} asked me this.

# one
? How can I tell whether it is {name}?
? What are the typical signs of {name}?
? Could this be {name}: {signs:0} and {signs:1}?
? {signs:cap} - does that sound like {name}?
= Typical are {signs}. | With {name} you would expect {signs}. | Look for {signs}.
= The cause is {cause}. | Behind it is {cause}. | -
= It usually lasts {lasts}. | Most people are rid of it after that time: {lasts}. | -
= See a doctor when {alarm:0}, or when {alarm:1}. | If {alarm:0}, don't wait. | It becomes urgent as soon as {alarm:1}.

# one
? What can I do at home about {name}?
? Which home remedies are sensible for {name}?
? Help, I have {name}. What now?
? Someone in our group has {name}; what helps in the first hours?
= Do this first: {care:0}. Then {care:1}, and finally {care:2}. | Three things help:\\n\\n{care:num} | Best {care:0} and {care:1}.
= You can also {care:2}. | -
= Give it time, as it takes {lasts}. | Be patient for {lasts}. | -
= Get help if {alarm:0}. | Call your doctor once {alarm:1}. | Should it happen that {alarm:0}, please go to a clinic.

# one
? How long does {name} last?
? When is {name} usually over?
? For how many days should I expect to deal with {name}?
! {lasts:cap}
! Usually {lasts}
= As a rule {lasts}. | Expect {lasts}. | The usual course: {lasts}.
= It is over sooner if you {care:0}. | You speed things up when you {care:1}. | -
= Longer courses happen, for instance when {cause} goes on. | What keeps it going is {cause}. | -
= Have it looked at if {alarm:1}. | Once {alarm:0}, the clock no longer matters: get it checked. | -

# one
? When should I see a doctor with {name}?
? What are the warning signs in {name}?
? Is {name} ever dangerous?
? At what point does {name} stop being harmless?
= It is harmless in most cases. | Usually there is no danger. | Most people get by without a doctor.
= There are two alarm signs: {alarm:or}. | Get help when {alarm:0} or {alarm:1}. | Warning signs:\\n\\n{alarm:bul}
= Until then, {care:0}. | In the meantime {care:1} and {care:2}. | -
= Write down when it began and what you tried. | Take a list of your medicines along. | -

# one
? What brings on {name}?
? Why do some people get {name} again and again?
? How can {name} be prevented?
? Explain in plain words where {name} comes from.
= The cause is {cause}. | It comes from {cause}. | In short: {cause}.
= You notice it by {signs}. | Then follow {signs:0} and {signs:1}. | -
= Prevention means the same as care: {care:0}, {care:1}. | To keep it away, {care:1} and {care:2}. | A good habit: {care:0}.
= An episode takes {lasts}. | -

# pair
? Is it {a.name} or {b.name}? How do I tell them apart?
? What distinguishes {a.name} from {b.name}?
? Can {a.name} be mistaken for {b.name}?
= {a.name:cap} shows itself by {a.signs}. | Signs of {a.name} are {a.signs:0} and {a.signs:2}.
= {b.name:cap}, in contrast, brings {b.signs}. | In {b.name} one sees {b.signs:1} and {b.signs:0}.
= The former comes from {a.cause}, the latter from {b.cause}. | Different causes, too: {a.cause} here, {b.cause} there. | -
= The first lasts {a.lasts}, the second {b.lasts}. | -
= Ask a doctor if {a.alarm:0} or {b.alarm:1}. | It is time for a doctor when {b.alarm:0}.

# table
% Complaint=name; Signs=signs; Duration=lasts; Cause=cause
? Put {names} into one table with {wanted}.
? For the first-aid course: an overview of {names} listing {wanted}.
= Not a diagnosis, just a first orientation: | This sums it up. | -
"""

CITIES = """
~ We are {n} friends from {place}.
~ My grandmother and I travel slowly.
~ I have only three days in {month}.
~ {person} has never been abroad.
~ We don't want to rent a car.

# one
? What should I see in {name} in two days?
? Plan a weekend in {name} for us.
? Could you suggest an itinerary for {name}?
? {name} in forty-eight hours: what is worth it?
= On the first day go to {sights:0} and {sights:1}. | Start at {sights:0} early, then walk over to {sights:1}.
= The second day belongs to {sights:2} and {sights:3}. | Keep {sights:3} for the last evening and {sights:2} for a rainy hour.
= Eat {dish} at least once. | For dinner try {dish}. | -
= Get around by {transport}. | The easiest way around: {transport}. | -
= One tip: {tip}. | Locals would tell you this: {tip}. | -

# one
? When is the best time to visit {name}?
? Which month would you pick for {name}?
? Is {month} a good time for {name}?
! {months:cap}
! Best in {months}
= The best time is {months}. | I would go in {months}. | Go in {months} if you can choose.
= Then {sights:0} is less crowded and the light is soft. | You can linger at {sights:1} without a queue. | -
= In high season, {tip}. | At any time of year: {tip}. | -
= If the weather fails, there is still {sights:2}. | -

# one
? Where do people in {name} go for a day trip?
? Which outing from {name} is worth a full day?
? Is there something outside {name} that we should not miss?
! {trip:cap}
= The classic is {trip}. | Go to {trip}. | I would choose {trip}.
= Set out early and be back for {dish}. | Leave at eight; in the evening {dish} is waiting in town. | -
= Inside the city you move by {transport}, but for this trip take the train or a bus. | Tickets are cheapest on {day}. | -
= Travellers with little time stay in town and see {sights:1} and {sights:3} instead. | Alternatively, spend the day between
  {sights:0}
  and {sights:2}. | -

# one
? What do people eat in {name}?
? Which dish should I order in {name}?
? Food in {name}: what is typical?
= Order {dish}. | The dish to try is {dish}. | Everybody there grows up with {dish}.
= You find it in simple places around {sights:2}. | Look for it near {sights:0}, one street back from the main route. | -
= In {months} it tastes best outdoors. | Lunch is cheaper than dinner. | -
= And {tip}. | Remember: {tip}.

# one
? How do I get around in {name}?
? Do I need a car in {name}?
? Public transport in {name} - any advice?
= You will manage with {transport}. | Take {transport}. | No car needed; the answer is {transport}.
= From the station to {sights:0} it takes roughly {n} minutes more than the map claims. | Between {sights:1} and {sights:2}
  simply walk. | -
= Only for {trip} would I think about a rental. | {trip:cap} can be reached by bus as well. | -
= And {tip}. | One more thing: {tip}.

# pair
? {a.name} or {b.name} for a long weekend?
? We are torn between {a.name} and {b.name}. Which one?
? How do {a.name} and {b.name} compare for a trip in {month}?
? Between {a.name} and {b.name}, where is the food better?
= {a.name} is at its best in {a.months}, {b.name} in {b.months}. | For the calendar: {a.months} speaks for {a.name}, {b.months}
  for {b.name}.
= In the one you see {a.sights:0} and {a.sights:1}; in the other {b.sights:0} and {b.sights:2}. | {a.sights:2:cap} against
  {b.sights:1},
  that is the question.
= Food lovers compare {a.dish} with {b.dish}. | I would decide by the plate: {a.dish} or {b.dish}. | -
= For an outing there is {a.trip} in the first case and {b.trip} in the second. | -

# table
% City=name; Country=country; Best time=months; Typical dish=dish; Day trip=trip; Transport=transport
? Give me a table of {names} showing {wanted}.
? {names}: compare {wanted} in a small table.
? Our travel club votes on {names}. Could you lay out {wanted} for each?
= An overview for your vote: | All of this is from a traveller's point of view. | -
"""

CROPS = """
~ Our allotment near {place} has heavy clay.
~ I garden on a balcony facing east.
~ It has been dry since {month}.
~ My neighbour {person} gave me a tray of seedlings.
~ This is our first year with a vegetable bed.

# one
? How do I grow {name}?
? What do {name} need to thrive?
? Could you explain growing {name} to a complete novice?
? Tell me how to raise {name} from start to harvest.
= Start them {sow}. | Sow or plant them {sow}. | The time to begin: {sow}.
= Leave {spacing} between plants. | Spacing: {spacing}. | They want {spacing} of room.
= Water them {water}. | As for water: {water}. | -
= Against {pest}, rely on {remedy}. | The main trouble is {pest}; {remedy} helps. | -
= Pick when {harvest}. | They are ready once {harvest}.

# one
? Something is wrong with my {name}. Is it {pest}?
? What helps against {pest} on {name}?
? {pest:cap} again! How do I protect my {name} without chemicals?
? How do I keep {pest} away from {name}?
= The proven remedy is {remedy}. | Try {remedy}. | What works is {remedy}.
= Plants that stand too close suffer most, so keep {spacing}. | Crowding invites it; {spacing} is the rule. | -
= Also check your watering: {water}. | Water {water}, for stressed plants are easy prey. | -
= Burn or bin affected parts. | Don't compost anything that is infested. | -

# one
? When can I harvest {name}?
? How do I know that {name} are ripe?
? What is the right moment to pick {name}?
= When {harvest}. | The sign is that {harvest}. | Wait until {harvest}.
= Those started {sow} are usually the first. | If they went in {sow}, you can expect a fair crop. | -
= Harvest on a dry morning. | Take a sharp knife and a basket. | -
= Until then, water {water}. | -

# one
? How much space and water do {name} want?
? At what distance should I plant {name}?
? How often should {name} be watered?
! {spacing:cap}
! {water:cap}
= Give them {spacing}. | {spacing:cap} from stem to stem is right. | The distance is {spacing}.
= Water {water}. | They like it {water}. | Watering works best {water}.
= Stick a finger into the soil before you reach for the can. | A mulch of grass clippings saves half the water. | -
= Thirst shows at noon, damage shows next morning. | Thin rows also keep {pest} in check. | -

# one
? When do I sow {name}?
? Is it too late for {name} in {month}?
? Which month is right for starting {name}?
! {sow:cap}
= The rule is: {sow}. | Start {sow}. | Most gardeners begin {sow}.
= Too early a start only invites {pest}. | Those who rush get weak plants. | -
= Give the seedlings {spacing} later on. | Later they stand {spacing} apart. | -
= If you missed it, buy young plants at the market. | A fortnight more or less does no harm. | -

# pair
? Can I plant {a.name} next to {b.name}?
? {a.name:cap} or {b.name}: which is easier for children?
? What should I know when one bed has to hold {a.name} and {b.name}?
= Leave {a.spacing} for {a.name}, {b.spacing} for {b.name}. | Plan {a.spacing} for {a.name} but {b.spacing} for {b.name}.
= The former are watered {a.water}, the latter {b.water}. | Mind the can: {a.water} for one, {b.water} for the other.
= Pests differ: {a.pest} here, {b.pest} there. | Neither shares its enemies, as {a.pest} and {b.pest} are picky. | -
= You start {a.name} {a.sow} and {b.name} {b.sow}. | -
= Harvest comes when {a.harvest}, or in the other row when {b.harvest}. | -

# table
% Crop=name; Sowing=sow; Distance=spacing; Watering=water; Enemy=pest; Remedy=remedy
? Make a bed plan for {names} with {wanted}.
? I'd like a chart for the shed door: {names} and their {wanted}.
= Cut it out and pin it up: | Regional weather may shift this by two weeks. | -
"""

CONCEPTS = """
~ My daughter has a test on {day}.
~ I teach evening classes in {place}.
~ It's for a poster in class {n}b.
~ I missed that lesson.
~ The textbook is no help.

# one
? What is {name}?
? Explain {name} to a twelve-year-old.
? Define {name} in one or two sentences.
? Can somebody tell me what {name} means?
= It is {definition}. | By {name} we mean {definition}. | {name:cap} is {definition}.
= For example, {example}. | You see it when {example}. | A case from daily life: {example}.
= The term belongs to {field}. | In {field} it turns up all the time. | -
= Don't believe that {myth}: {truth}. | -

# one
? Is it true about {name} that {myth}?
? On {name}, a friend claims that {myth}. Right or wrong?
? Our teacher marked this as wrong: "{myth}" (topic: {name}). Why?
? {myth:cap}, or so I read about {name}. Is that so?
! No
! No, {truth}
= No. | That is a common mistake. | Not quite.
= In fact {truth}. | The truth is that {truth}. | Rather, {truth}.
= Remember that {name} is {definition}. | It all follows from the meaning of {name}: {definition}. | -
= Think of this: {example}. | You can check it at home, because {example}. | -

# one
? Give me an everyday example of {name}.
? Where do I meet {name} in daily life?
? How could I show {name} to a school class?
= A simple one: {example}. | Think of this case: {example}. | {example:cap}.
= What you see there is {definition}. | That is exactly {definition}. | -
= Ask the class first what they expect. | Let them write down a guess beforehand. | Repeat it twice and compare. | -
= Somebody will object that {myth}; answer that {truth}. | -

# one
? Write a short quiz question about {name}, with the solution.
? I need one exam task on {name} plus a model answer.
? Set me a true-or-false question on {name}.
= Q: True or false? On {name}: {myth}.\\nA: False, since {truth}. | Q: What do we call {definition}?\\nA: {name:cap}
= You may add the example that {example}. | As a hint, mention that {example}. | -

# one
? What do students usually get wrong about {name}?
? Which misconception about {name} should I prepare for?
? I'm giving a lesson on {name} in {field}. What trips people up?
= Many think that {myth}. | The classic is the belief that {myth}. | You will hear that {myth}.
= Yet {truth}. | Show them that {truth}. | The correction: {truth}.
= A good start is an example: {example}. | Open with something they know: {example}. | -
= Only then write down the definition, {definition}. | At the end they should be able to say: it is {definition}. | -

# pair
? What have {a.name} and {b.name} to do with each other?
? How does {a.name} differ from {b.name}?
? Please contrast {a.name} and {b.name} for my notes.
= {a.name:cap} is {a.definition}. | The first means {a.definition}.
= {b.name:cap} is {b.definition}. | The second, by contrast, is {b.definition}.
= Compare two cases: {a.example}, and {b.example}. | For the one, {a.example}; for the other, {b.example}. | -
= Mistakes differ as well. Some say that {a.myth}, others that {b.myth}. | -

# table
% Term=name; Field=field; Meaning=definition; Example=example
? Turn {names} into flash cards, as a table with {wanted}.
? Summarise {names} in a table: {wanted}.
= For your notes: | Learn one row a day. | -
"""

TOOLS = """
~ We are a team of {n} developers.
~ I come from Windows and am new to this.
~ Our server in {place} runs Debian.
~ Since {day} I've been in charge of deployments.
~ The documentation assumes too much.
~ We are still on version {version}.
~ I'm logged in as deploy@web0{n} over ssh.

# one
? What is {name} good for?
? Explain {name} in simple terms.
? Do we need {name}?
? I keep hearing about {name}. What does it do?
= In short, {name} {what}. | The idea: {name} {what}.
= You want it when {when}. | It pays off as soon as {when}. | A typical case is that {when}.
= Beware of {pitfall}. | The usual mistake is {pitfall}. | -
= The cure: {fix}. | If that bites you, {fix}. | -

# one
? Which command do I use for {name}?
? What do I type to get going with {name}?
? Show me a command line example for {name}.
= ```bash\\n{command}\\n```
= It helps when {when}. | You need it once {when}. | -
= Take care to avoid {pitfall}. | -

# one
? What mistakes do beginners make with {name}?
? I got burnt by {name}. What did I overlook?
? Which traps should I know before using {name}?
= The big one is {pitfall}. | Most often it is {pitfall}. | I have seen it many times: {pitfall}.
= So {fix}. | Rule number one: {fix}. | The way out is to remember this: {fix}.
= Otherwise it is safe, and {name} {what} just fine. | -
= Try `{command}` on a test machine first. | Run `{command}` and read what it prints. | -

# one
? When would you not use {name}?
? Is {name} overkill for a small project?
? Could we do without {name}?
= If it is not the case that {when}, leave it. | Ask whether {when}; if not, keep things simple.
= Every tool has its price, here {pitfall}. | The risk is {pitfall}. | -
= On the other hand, {name} {what}, and that is hard to do by hand. | You lose something, though: {name} {what}. | -
= A middle way is to start small and to {fix}. | -

# one
? Can you review this note for our wiki about {name}?
? Draft a wiki paragraph on {name}.
? Write three sentences on {name} for the onboarding guide.
= {name:cap} {what}. | What it does: {name} {what}.
= We use it when {when}. | In our team it applies whenever {when}.
= Do not forget to {fix}, or you will meet {pitfall}. | To keep clear of {pitfall}, {fix}.

# pair
? {a.name:cap} and {b.name}: how do they relate?
? What should I learn first, {a.name} or {b.name}?
? Our trainee mixes up {a.name} and {b.name}. How would you explain it?
= Remember it like this: {a.name} {a.what}, while {b.name} {b.what}. | The first one, {a.name}, {a.what}. The second, {b.name},
  {b.what}.
= You reach for the former when {a.when} and for the latter when {b.when}. | Take the first if {a.when}. Take the second if
  {b.when}.
= Traps: {a.pitfall} on one side, {b.pitfall} on the other. | -
= Try both once: `{a.command}` and then `{b.command}`. | -

# table
% Topic=name; Use it when=when; Pitfall=pitfall; Remedy=fix
? A cheat sheet for {names}, please: {wanted}.
? List {names} in a table with {wanted}.
= Keep it next to your screen: | Print it on one page. | -
"""

"""English ways to ask about the facts and to answer (law, accounts, service, jobs, study, animals, repairs, hobbies)."""

LAW = """
~ I rent a flat in {place}.
~ This happened on {day}.
~ My friend {person} is in this situation.
~ I've never dealt with a lawyer.
~ The file number is {order}.
~ It has been like this since {date}.

# one
? What are my rights concerning {name}?
? Could you explain the rule on {name}?
? Where do I stand legally with {name}?
? I have a question about {name}. Who is in the right?
= The principle: {rule}. | In most places {rule}. | The starting point is that {rule}.
= Collect {papers}. | You will need {papers}. | -
= Mind the time limit: {deadline}. | For the calendar: {deadline}. | -
= First of all, {step}. | The first move: {step}. | Begin like this: {step}.
= A frequent error is {mistake}. | Avoid {mistake}. | -

# one
? Which documents do I need for {name}?
? What evidence matters with {name}?
? Preparing a file on {name}: what belongs in it?
= Put together {papers}. | You should have {papers}. | These papers:\\n\\n{papers:bul}
= They matter because {rule}. | The reason: {rule}. | -
= Keep copies, and never hand over originals. | Scan everything before you send it. | -
= Don't spoil it by {mistake}. | Many lose out by {mistake}. | -

# one
? How much time do I have with {name}?
? What is the deadline for {name}?
? Is it too late to act on {name} in {month}?
! {deadline:cap}
= The time limit is this: {deadline}. | As a rule of thumb, {deadline}. | Count on {deadline}.
= The clock starts when you learn of the matter, so {step}. | To be safe, {step} today. | -
= Local law may differ, therefore ask an advice centre in {place}. | A short call to a lawyer settles it. | -

# one
? What is the first thing to do about {name}?
? Help me take the first step with {name}.
? Someone told me to act fast about {name}. How?
= First, {step}. | Before anything else, {step}. | Start with one thing: {step}.
= Then gather {papers:0} and {papers:1}. | After that, look for {papers}. | -
= It helps to know that {rule}. | Legally, {rule}. | -
= What you should not do is {mistake}. | The worst move would be {mistake}. | -

# one
? What mistakes do people make with {name}?
? A neighbour lost a case about {name}. What might have gone wrong?
? How do I avoid trouble with {name}?
= The most common one is {mistake}. | Typically it is {mistake}. | People trip over {mistake}.
= Better: {step}. | It is wiser to act in this order: {step}, then wait for an answer. | Instead, {step}.
= Keep the limit in mind ({deadline}). | Others let the time run out: {deadline}. | -
= In the end what counts is that {rule}. | -

# table
% Matter=name; Time limit=deadline; First step=step; Common mistake=mistake
? Our tenants' club wants a handout on {names}: {wanted}.
? Sum up {names} with {wanted} in table form.
= A rough guide, not advice on a single case: | The details depend on where you live. | -
"""

BOOKKEEPING = """
~ I run a small shop in {place}.
~ Exam on {day}!
~ The amount is {amount} euros.
~ Our trainee {person} booked it differently.

# one
? How do I book {name}?
? What is the journal entry for {name} of {amount} euros?
? Which accounts are affected by {name}?
? Debit and credit for {name}, please.
! Dr {debit} / Cr {credit}
! {debit:cap} to {credit}
= Debit {debit}, credit {credit}. | The entry reads {debit} to {credit}. | You debit {debit} and credit {credit} with {amount}
  euros.
= The reason: {why}. | That is because {why}. | Why? Because {why}.
= The supporting paper is {paper}. | File {paper} with it. | -
= Do not fall for {mistake}. | A typical slip is {mistake}. | -

# one
? Which voucher do I file for {name}?
? What proof does the auditor want for {name}?
? For {name}, is a bank statement enough?
= File {paper}. | The auditor asks for {paper}. | You need {paper}.
= Write the entry on it: {debit} to {credit}. | Stamp it with the accounts {debit} and {credit}. | -
= Note in the margin that {why}. | -
= Keep it for as long as the tax law of your country demands, often ten years. | Scan it on the same day. | -

# one
? Why is {name} booked against {credit}?
? I don't understand the reasoning behind {name}. Why that way?
? What is the logic when we book {name}?
= Because {why}. | It follows from one thought: {why}. | The logic: {why}.
= Therefore {debit} goes up and {credit} is the other side. | So the debit lands on {debit}, the credit on {credit}.
= The wrong way would be {mistake}. | You see it best by looking at the mistake of {mistake}. | -

# one
? What goes wrong when people book {name}?
? Our accounts don't balance after {name}. What should I check?
? Which error is typical of {name}?
= Typical: {mistake}. | Look for {mistake}. | It is often {mistake}.
= Correct it by reversing the line and booking {debit} to {credit}. | Reverse it first; then debit {debit} and credit {credit}.
= Compare the amount with {paper}. | {paper:cap} shows the right figure. | -
= Remember: {why}. | -

# pair
? Book both for me: {a.name} and {b.name}.
? What is the difference between booking {a.name} and {b.name}?
? On {day} we had {a.name} as well as {b.name}. Entries?
= For the first, debit {a.debit} and credit {a.credit}. | {a.name:cap}: {a.debit} to {a.credit}.
= For the second, debit {b.debit} and credit {b.credit}. | {b.name:cap}: {b.debit} to {b.credit}.
= The thinking differs: {a.why}, whereas {b.why}. | Mind the reasons. In one case {a.why}; in the other {b.why}. | -
= Papers: {a.paper}, and {b.paper}. | -

# table
% Event=name; Debit=debit; Credit=credit; Voucher=paper
? Journal entries as a table for {names}, including {wanted}.
? Show {wanted} for {names}.
= Amounts are left out on purpose: | Check each line against the voucher. | -
"""

PRODUCTS = """
~ I bought it in {month}.
~ My order came to {place} last {day}.
~ The manual got lost.
~ Sorry to bother you again.
~ {person} from your shop sent me here.
~ My order number is {order}.
~ Serial number {order}, bought on {date}.
~ (Case {order})

# one
? I have a problem with {name}: {problem}.
? Regarding {name}: {problem}. Can you fix this?
? Hello, {problem}. It's about {name}.
? Why does this happen with {name}? {problem:cap}.
= I'm sorry to hear that about {name}. | Sorry for the trouble! | Thank you for letting us know, and apologies for the
  inconvenience.
= Please check three things: {checks}. | Could you look at {checks:0} and {checks:1} first? | Have a look at
  this:\\n\\n{checks:num}
= In most cases the cause is {cause}. | It is probably {cause}. | -
= If so, here is the solution: {remedy}. | What we suggest: {remedy}. | Good news: {remedy}.
= Write to us if it comes back, and mention the date of purchase. | Do get back to us by {day} if nothing changes. | -

# one
? What should I check before I return {name}?
? Before sending back {name} I'd like to try something. Where do I look?
? Is there a quick test for {name} when {problem}?
= Look at {checks}. | Go through {checks:0}, {checks:1}, and last of all {checks:2}. | A quick list:\\n\\n{checks:bul}
= Often it turns out to be {cause}. | Eight in ten returns are due to {cause}. | -
= In that case {remedy}. | Then there is no need to return it: {remedy}.
= Otherwise use the return label in the box. | A return is free of charge within thirty days. | -

# one
? Reply to a customer who writes about {name}: {problem}.
? Draft a friendly answer for this complaint: "{problem:cap}" (about {name}).
? Write a support reply. Product: {name}. Complaint: {problem}.
= Dear {person},\\n\\nthank you for your message about {name}. We are sorry that {problem}. | Hello {person},\\n\\nI understand
  how annoying it is when {problem}.
= Our technicians suspect {cause}. Therefore {remedy}. | Please look at {checks:0} first. If that is fine, {remedy}.
= Kind regards,\\nThe service team in {place} | All the best,\\nYour service desk

# one
? What is the cause when, with {name}, {problem}?
? Our technician asks why, on {name}, {problem}. What do we know?
? Known issue? {name:cap}, {problem}.
= The cause is usually {cause}. | We have seen {cause} in such cases. | Most reports point to {cause}.
= You can confirm it by looking at {checks:1} and {checks:2}. | {checks:0:cap} will tell you. | -
= The remedy: {remedy}. | As a fix, {remedy}. | Then {remedy}.

# table
% Product=name; Complaint=problem; Likely cause=cause; Remedy=remedy
? For the help desk: {names} with {wanted}.
? List the known issues of {names} in a table with {wanted}.
= As of {month}: | Please extend the list as new cases come in. | -
"""

JOBS = """
~ I'm {n} semesters into a degree I don't like.
~ Our neighbours' child, {person}, is sixteen.
~ After ten years in an office I want a change.
~ There is an open day in {place}.

# one
? What does {name} do all day?
? Describe the work of {name}.
? Could you tell me about a typical day of {name}?
? I'm thinking of becoming {name}. What is the work like?
= The main tasks are to {tasks:0}, {tasks:1} and {tasks:2}. | Such a person has to {tasks:0}, and also {tasks:1}.
  | Three things fill the day:\\n\\n{tasks:bul}
= You need {skill}. | What counts is {skill}. | -
= The hard part is {hard}. | Less pleasant: {hard}. | -
= The best of it: {good}. | In return, {good}. | What people love about it is that {good}.

# one
? How do you become {name}?
? What training does {name} need?
? Which path leads to working as {name}?
! {training:cap}
= The way there: {training}. | You will need {training}. | Required, as a rule: {training}.
= Before that, try a week of work experience. | A placement shows quickly whether it suits you. | -
= Selection looks at {skill} more than at marks. | Show that you have {skill}. | -
= Ask people in the trade about {hard}. | Be honest with yourself about {hard}. | -

# one
? Would I be happy as {name}?
? What are the good and bad sides of being {name}?
? Is being {name} a job for someone who is shy?
= The good side: {good}. | In its favour, {good}. | On the sunny side, {good}.
= The bad side is {hard}. | Against it speaks {hard}. | You have to put up with {hard}.
= If you have {skill}, you will cope. | It takes {skill}, which can be learned to some degree. | -
= Besides, you {tasks:1} and {tasks:2} most of the time, so ask whether you like that. | -

# one
? Write the opening of a job advert for {name}.
? We are hiring {name} in {place}. Draft the advert.
= We are looking for {name} in {place}. | Join us in {place} as {name}!
= You will {tasks:0}, {tasks:1} and {tasks:2}. | Your tasks: {tasks}.
= You bring {training}, along with {skill}. | We expect {skill} and {training}.
= Why us? Because {good}. | One promise: {good}. | Start in {month}.

# pair
? Which suits me better, {a.name} or {b.name}?
? My school counsellor suggested {a.name} and {b.name}. How do they compare?
? What would change if I moved from being {a.name} to being {b.name}?
= {a.name:cap} must {a.tasks:0} and {a.tasks:1}, {b.name} must {b.tasks:0} and {b.tasks:2}. | The first will {a.tasks:1}; the
  second
  will {b.tasks:1}.
= Training differs: {a.training} on the one hand, {b.training} on the other. | Schooling means {a.training}, or else {b.training}.
= Ask yourself whether you rather have {a.skill} or {b.skill}. | {a.skill:cap} against {b.skill}, that is the choice.
= And could you live with {a.hard}, or with {b.hard}? | Rewards: {a.good}; {b.good}. | -

# table
% Job=name; Training=training; Key skill=skill; Hard part=hard
? Make a table for the careers day: {names} and {wanted}.
? Compare {names} with regard to {wanted}.
= Pin it to the board: | Salaries are left out, since they vary a lot. | -
"""

STUDY = """
~ My son is {n}.
~ I'm fifty and back at school.
~ The term ends in {month}.
~ I share a room with {person}.

# one
? What is the best way of {name}?
? Any tips for {name}?
? How can I get better at {name}?
? I struggle with {name}. Where do I start?
= Three things work: {methods:0}, {methods:1}, and {methods:2}. | Start like this: {methods:0}. Later {methods:1}.
  | Try the following:\\n\\n{methods:num}
= The most common mistake is {mistake}. | Stay away from {mistake}. | -
= Plan for {time}. | You need {time}, no more. | {time:cap} will do.
= You know it works when {sign}. | One day {sign}. | -

# one
? How much time does {name} take?
? How long should I practise {name} each day?
? With little spare time, is {name} realistic?
! {time:cap}
= Realistically {time}. | {time:cap} is enough. | Set aside {time}.
= Regularity beats length. | Short and often is better than long and rare. | -
= Use the time well: {methods:0}. | In those minutes, {methods:1} and {methods:2}. | -
= When {sign}, you can do less. | Keep going until {sign}.

# one
? What am I doing wrong with {name}?
? Which mistake slows people down in {name}?
? Why am I making no progress with {name}?
= Probably it is {mistake}. | Many lose time by {mistake}. | My guess is {mistake}.
= Instead, {methods:0}. | Replace it by something else: {methods:1}. | Better {methods:2}.
= Give it {time} before you judge. | Allow {time}. | -
= Progress is slow at first; then suddenly {sign}. | -

# one
? Make a plan for {name} that I can hang on the wall.
? Write me a weekly plan for {name}.
= {methods:num} | Plan:\\n\\n{methods:bul}
= Time: {time}. | Duration: {time}. | -
= Not allowed: {mistake}. | Red card for {mistake}. | -

# pair
? Can I combine {a.name} with {b.name}?
? What comes first, {a.name} or {b.name}?
? This term I want to focus on {a.name} and on {b.name}. How do I split my week?
= Reserve {a.time} for the first and {b.time} for the second. | {a.name:cap} needs {a.time}; {b.name} needs {b.time}.
= For the one, {a.methods:0}; for the other, {b.methods:1}. | A method for each: {a.methods:2}, and {b.methods:0}.
= Don't carry over bad habits such as {a.mistake} or {b.mistake}. | {a.mistake:cap} ruins one, {b.mistake} the other. | -
= Stop when {a.sign} and {b.sign}. | -

# table
% Goal=name; Time=time; Avoid=mistake; Sign of success=sign
? Poster for our study room: {names}, each with {wanted}.
? Tabulate {names} by {wanted}.
= For the wall: | One goal at a time is plenty. | -
"""

ANIMALS = """
~ My class visits the zoo in {place}.
~ {person} drew one yesterday.
~ I saw one on {day} evening.
~ For a quiz in the library:

# one
? What does {name} eat?
? Where does {name} live, and what does it feed on?
? Tell me something about the diet of {name}.
! {food:cap}
= It feeds on {food}. | Its menu is made up of {food}. | Mostly {food}.
= You find it here: {habitat}. | Its home is {habitat}. | -
= People often say that {myth}, but {truth}. | -
= By the way, it {habit}. | Another thing to know is that it {habit}. | -

# one
? How old does {name} get?
? What is the life span of {name}?
? How many years does {name} live in the wild?
! {life:cap}
= Its life span: {life}. | It reaches {life}. | Usually {life}.
= Food supply matters, above all {food}. | Where {food} are scarce, it lives shorter. | -
= It is known for something else as well: it {habit}. | What makes it special is that it {habit}. | -

# one
? Is it true about {name} that {myth}?
? Fact or fiction, about {name}: {myth}?
? People say of {name} that {myth}. Do they have a point?
! No
! False
= That is a myth. | No, it isn't so. | Fiction!
= In reality {truth}. | What is true: {truth}. | Research shows that {truth}.
= The tale may come from the fact that it {habit}. | It does something just as remarkable: it {habit}. | -
= Its true home is {habitat}, and it eats {food}. | -

# one
? Write a profile of {name} for children.
? Create a short fact file on {name}.
? Introduce {name} in a few lines.
= Home: {habitat}\\nFood: {food}\\nAge: {life} | - Lives in: {habitat}\\n- Eats: {food}\\n- Age: {life}
= Special: it {habit}. | Did you know? It {habit}. | -

# one
? Where can I see {name}?
? In what kind of place does {name} live?
? Which habitat suits {name}?
! {habitat:cap}
= Look in {habitat}. | Its place is {habitat}. | The right surroundings are {habitat}.
= There it finds {food}. | That is where {food} can be found. | -
= With luck you notice how it {habit}. | Watch for this: it {habit}. | -
= Keep your distance and leave no litter. | Early morning is the best time. | -

# pair
? Who lives longer, {a.name} or {b.name}?
? What do {a.name} and {b.name} have in common?
? For my homework: differences between {a.name} and {b.name}.
= {a.name:cap} reaches {a.life}, {b.name} {b.life}. | Age: {a.life} for {a.name}; {b.life} for {b.name}.
= One lives in {a.habitat}, the other in {b.habitat}. | You would look for them in {a.habitat} and in {b.habitat}.
= Food also differs, with {a.food} here and {b.food} there. | -
= {a.name:cap} {a.habit}, and {b.name} {b.habit}. | -

# table
% Animal=name; Home=habitat; Food=food; Age=life
? Animal chart with {names}; columns {wanted}.
? Could I have {wanted} for {names} in a table?
= For the classroom wall: | Values for animals in the wild. | -
"""

REPAIRS = """
~ We moved to {place} in {month}.
~ I own a hammer and not much else.
~ The landlord doesn't answer.
~ Before my parents arrive on {day}:

# one
? How do I fix {name}?
? Can I repair {name} myself?
? Need help with {name}.
? What do I do about {name}?
= You need {tools}. | Have these at hand: {tools}. | Tools: {tools}.
= Then proceed like this:\\n\\n{steps:num} | First {steps:0}, then {steps:1}. After that {steps:2}, and finally {steps:3}.
  | Here is the order:\\n\\n{steps:num}
= Expect {time}. | It takes {time}. | -
= A warning: {warn}. | And please, {warn}. | Keep in mind: {warn}.

# one
? What causes {name}?
? Why do we have {name} again?
? How can I prevent {name}?
= The usual cause is {cause}. | As a rule it is {cause}. | Behind it there is {cause}.
= You get rid of it when you {steps:1} and {steps:2}. | The lasting cure is to {steps:2}. | -
= Have {tools:0} ready for the next time. | -
= Whatever you do, {warn}. | One caution: {warn}. | -

# one
? Which tools do I need for {name}?
? I'm off to the hardware store because of {name}. What do I buy?
? What must be in the toolbox to deal with {name}?
= Get {tools}. | {tools:cap}. | Your list:\\n\\n{tools:bul}
= That is enough to {steps:1} and to {steps:2}. | With that you can {steps:0} and {steps:1}. | -
= Set aside {time}. | You will be busy for {time}. | -

# one
? How long does it take to deal with {name}?
? Is {name} a job for one evening?
? Should I call somebody for {name}, or is it quick?
! {time:cap}
= Count on {time}. | With some practice {time}. | {time:cap}, if nothing goes wrong.
= The slowest step is the third: {steps:2}. | Most of the time goes by while you {steps:3}. | -
= Call a professional if {cause} is not the reason. | Get help once you notice more than {cause}. | -
= Just one thing: {warn}. | -

# table
% Problem=name; Cause=cause; Time=time; Caution=warn
? Our house book needs {names} with {wanted}.
? Sort {names} into a table by {wanted}.
= For the first page of the folder: | When in doubt, call the caretaker. | -
"""

HOBBIES = """
~ I work shifts.
~ My knees aren't what they used to be.
~ {person} and I want to do something together.
~ A club in {place} offers trial lessons.

# one
? How do I get started with {name}?
? I'd like to take up {name}. What should I know?
? Beginner's guide to {name}, please!
? Is {name} something for me?
= Get {gear}. | All you need: {gear}. | The equipment is modest: {gear}.
= To begin with, {first}. | In the first weeks, {first}. | Step one: {first}.
= Don't make the mistake of {error}. | Beginners are often guilty of {error}. | -
= Aim for this: {rhythm}. | A good rhythm: {rhythm}. | -
= The reward comes soon: {benefit}. | You will notice that {benefit}. | -

# one
? What equipment does {name} require?
? How much gear do I have to buy for {name}?
? Birthday present for someone who starts {name}?
= Essential are {gear}. | {gear:cap} - that's all. | Buy this and nothing else:\\n\\n{gear:bul}
= Borrow before you buy. | Second-hand is fine. | The club in {place} lends what is missing. | -
= More important than gear: {first}. | What no shop sells is practice, so {first}. | -

# one
? What is {name} good for?
? Why do people love {name}?
? Does {name} help against stress?
= Above all, {benefit}. | One reason: {benefit}. | Those who do it say that {benefit}.
= It works best with a rhythm, say {rhythm}. | {rhythm:cap} is enough. | -
= It loses its charm by {error}. | What spoils it is {error}. | -
= Try it for a month, and {first} in the first week. | -

# one
? What do beginners get wrong in {name}?
? I'm not getting better at {name}. Any advice?
? My trainer says I have a bad habit in {name}. Which is the usual one?
= The classic is {error}. | Probably {error}. | Nearly all struggle with {error}.
= Go back and {first}. | A remedy is to {first} once more. | For two weeks, {first} and nothing else.
= Keep up the rhythm: {rhythm}. | Practise {rhythm}. | -

# pair
? {a.name:cap} or {b.name} - what is better after a long day?
? I have time for only one: {a.name} or {b.name}?
? How do {a.name} and {b.name} go together?
= With {a.name}, {a.benefit}; with {b.name}, {b.benefit}. | The first has this to offer: {a.benefit}. The second: {b.benefit}.
= You need {a.gear} for one, and for the other {b.gear}. | Gear: {a.gear}, or {b.gear}.
= Usual rhythm: {a.rhythm} against {b.rhythm}. | -
= Start small. Either {a.first}, or {b.first}. | Beginners fail by {a.error} in one case and by {b.error} in the other. | -

# table
% Hobby=name; Gear=gear; First step=first; Rhythm=rhythm; Benefit=benefit
? For the community centre: {names} with {wanted}, as a table.
? Lay out {wanted} for {names}.
= For the notice board: | Trial lessons are free in {month}. | -
"""

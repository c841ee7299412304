"""English fact tables: the material of which clean questions and answers are composed."""

DISHES = (
    "name ingredients minutes trick fail cause side keep",
    """
lentil soup | red lentils; onion; carrot; cumin; lemon juice | 35 | rinse the lentils until the water runs clear
  | it turns gluey | constant stirring at a rolling boil | toasted flatbread | four days in the fridge
mushroom risotto | arborio rice; mushrooms; shallots; hot stock; parmesan | 40 | add the stock one ladle at a time
  | the grains stay chalky | cold stock that stops the cooking | a bitter green salad | one day at most
shakshuka | eggs; canned tomatoes; bell pepper; paprika; garlic | 30 | press deep wells into the sauce for the eggs
  | the yolks set hard | a lid that stays on too long | crusty bread | two days without the eggs
apple crumble | tart apples; butter; flour; oats; brown sugar | 55 | keep the butter cold until you rub it in
  | the topping goes soggy | thin apple slices that give off water | vanilla custard | three days under a cloth
pad thai | rice noodles; tamarind paste; fish sauce; prawns; peanuts | 25 | soak the noodles only until they bend
  | everything clumps together | a crowded pan | lime wedges and bean sprouts | until the next evening
beef goulash | stewing beef; onions; sweet paprika; caraway; tomato paste | 150 | use as much onion as meat
  | the meat stays tough | hard boiling where a simmer was needed | boiled potatoes | five days, improving on the second
hummus | chickpeas; tahini; lemon juice; garlic; iced water | 20 | whip the tahini with the lemon before anything else
  | it tastes grainy | skins of the chickpeas left in the bowl | raw vegetable sticks | five days in a closed jar
fish curry | white fish; coconut milk; turmeric; ginger; green chilli | 30 | slide the fillets in at the very end
  | the fillets fall to pieces | a spoon in the pot after the fish went in | steamed rice | two days, well chilled
banana bread | ripe bananas; flour; eggs; butter; baking soda | 70 | mash the fruit with a fork and never a blender
  | the middle sinks | an oven door opened too early | a spoonful of yoghurt | four days wrapped in foil
potato gratin | waxy potatoes; cream; garlic; nutmeg; gruyère | 80 | cut slices as thin as a coin
  | the cream splits | far too hot an oven | roast chicken | three days, covered
spinach omelette | eggs; spinach; butter; nutmeg; feta | 12 | squeeze the leaves bone dry
  | it weeps water onto the plate | greens that were still wet | sliced tomatoes | only a few hours
chicken noodle soup | chicken thighs; celery; carrots; egg noodles; thyme | 75 | boil the noodles in their own pot
  | the noodles swell into mush | leaving pasta in hot broth overnight | buttered rye bread | three days with the noodles apart
vegetable lasagne | lasagne sheets; aubergine; courgette; tomato sauce; ricotta | 90 | roast the vegetables first
  | a puddle forms under each slice | raw vegetables releasing their juice | a rocket salad | four days, or a month frozen
rice pudding | short-grain rice; milk; sugar; cinnamon; lemon zest | 45 | stir often during the last ten minutes
  | a burnt layer sticks to the pot | a flame that was never turned down | stewed plums | three days with film on the surface
pumpkin gnocchi | pumpkin; flour; egg yolk; parmesan; sage | 60 | dry the purée in a hot pan
  | the dumplings dissolve | too little flour for a wet purée | browned butter | two months in the freezer
bean chilli | kidney beans; minced beef; tomatoes; cumin; dark chocolate | 65 | toast the spices before any liquid
  | it tastes flat | seasoning that came in at the end | sour cream and cornbread | four days, reheated once
""",
)

AILMENTS = (
    "name signs care alarm lasts cause",
    """
hay fever | sneezing; itchy eyes; a runny nose | rinse your nose with salt water; shower before bed; air the room at night
  | you wheeze; your chest feels tight | four to ten weeks a year | pollen from trees and grasses
a sprained ankle | swelling; a bruise; pain when stepping | rest the foot; cool it through a cloth; keep the leg raised
  | you cannot take four steps; the bone itself hurts | two to six weeks | the foot rolling inwards on uneven ground
a common cold | a blocked nose; a scratchy throat; tiredness | drink plenty; sleep more; inhale warm steam
  | the fever stays above 39 °C for three days; breathing hurts | seven to ten days | one of some two hundred viruses
heartburn | burning behind the breastbone; a sour taste; belching | eat smaller portions; skip late meals; raise the head end
  | swallowing becomes painful; you lose weight without trying | an hour or two per attack | acid flowing back from the stomach
sunburn | hot red skin; tenderness; later peeling | cool with wet towels; drink water; stay in the shade
  | large blisters appear; you feel dizzy and shiver | about one week | too much ultraviolet light
lower back pain | stiffness; a dull ache; trouble bending | keep moving gently; use a heat pack; change position often
  | a leg goes numb; you lose control of the bladder | a few days to six weeks | strained muscles and long sitting
a tension headache | pressure on both sides; a stiff neck; sensitivity to noise | take a walk; stretch the shoulders; drink water
  | it is the worst headache of your life; your speech is slurred | half an hour to a few days | stress and cramped posture
food poisoning | nausea; cramps; diarrhoea | sip an oral rehydration drink; rest; return to plain food slowly
  | there is blood in the stool; you cannot keep water down | one to three days | bacteria or toxins in spoiled food
a mild burn | redness; stinging; slight swelling | hold it under cool water for twenty minutes; remove rings; cover it loosely
  | it is larger than your palm; the skin looks white or charred | five to ten days | hot liquid, steam or metal
insomnia | lying awake; early waking; tired days | get up at a fixed hour; dim the lights early; leave coffee after noon
  | it lasts longer than a month; you nod off while driving | from nights to months | worry, shift work or late screens
a nosebleed | blood from one nostril; a metallic taste; a damp throat | lean forward; pinch the soft part; wait ten minutes
  | it runs for over half an hour; you take blood thinners | usually under fifteen minutes | dry air and fragile vessels
athlete's foot | itching between the toes; cracked skin; a musty smell | dry every gap; change socks daily; apply an antifungal
  cream
  | the foot becomes hot and swollen; you have diabetes | two to four weeks with treatment | a fungus that loves damp shoes
motion sickness | cold sweat; yawning; nausea | look at the horizon; sit in front; eat something light beforehand
  | vomiting goes on after the journey; hearing drops | until shortly after arrival | mixed signals from eye and inner ear
constipation | hard stool; straining; a full feeling | add fibre step by step; walk every day; take your time in the morning
  | the pain comes suddenly; the belly swells and nothing passes | a few days | too little fluid, fibre and movement
a stye | a tender lump on the lid; watering; redness | hold a warm cloth to it; wash your hands; leave make-up off
  | the whole lid swells shut; sight becomes blurred | about one week | a blocked gland with bacteria in it
tennis elbow | pain on the outer elbow; a weak grip; soreness when lifting | rest the arm; do slow wrist exercises; adjust the
  grip
  | the joint locks; the hand tingles at night | six weeks to a year | repeated twisting of the forearm
""",
)

CITIES = (
    "name country sights dish months transport trip tip",
    """
Lisbon | Portugal | the Alfama; the Jerónimos Monastery; the tile museum; the viewpoint at Graça | grilled sardines
  | May and June | the old tram 28 | Sintra | wear shoes with grip, because the pavements are polished stone
Kyoto | Japan | Fushimi Inari; the Golden Pavilion; Nishiki market; the bamboo grove | yudofu | November
  | city buses with a day pass | Nara | visit the famous shrines before eight in the morning
Kraków | Poland | Wawel Castle; the Cloth Hall; Kazimierz; Kościuszko Mound | pierogi | September | trams
  | the salt mine of Wieliczka | book the castle rooms a few days ahead
Marrakesh | Morocco | Jemaa el-Fnaa; the Bahia Palace; the Majorelle garden; the tanneries | tagine with prunes | March and April
  | walking and shared taxis | the Ourika valley | agree on the price before you get into a taxi
Edinburgh | Scotland | the Royal Mile; Arthur's Seat; the Castle; Dean Village | cullen skink | late May
  | Lothian buses | the Borders abbeys | bring a rain jacket even on a bright morning
Montréal | Canada | Mount Royal; the Old Port; the Biodome; Jean-Talon market | poutine | early autumn | the metro
  | the Laurentians | learn to say bonjour first, it opens doors
Oaxaca | Mexico | Monte Albán; Santo Domingo; the textile museum; the Benito Juárez market | mole negro | October | colectivos
  | Hierve el Agua | leave two mornings free for the markets
Tallinn | Estonia | the town walls; Kadriorg; Telliskivi; the seaplane harbour | black bread with sprats | June | trams and
  ferries
  | Lahemaa National Park | climb the towers on a weekday
Hanoi | Vietnam | the Temple of Literature; the Old Quarter; Hoan Kiem Lake; Long Bien bridge | bún chả | November to March
  | motorbike taxis | Ninh Binh | cross the street slowly and never step back
Ljubljana | Slovenia | the Dragon Bridge; the Castle; Metelkova; Plečnik's market | štruklji | May | bicycles
  | Lake Bled | rent a bike for the whole stay
Cape Town | South Africa | Table Mountain; the Bo-Kaap; Kirstenbosch; the V&A Waterfront | bobotie | February | MyCiTi buses
  | the Cape of Good Hope | go up the mountain as soon as the cloud lifts
Bologna | Italy | the Two Towers; the porticoes; San Petronio; the Archiginnasio | tagliatelle al ragù | October | your own feet
  | Ravenna and its mosaics | eat lunch in the Quadrilatero
Reykjavík | Iceland | Hallgrímskirkja; Harpa; the Sun Voyager; the old harbour | lamb soup | July | a rental car
  | the Golden Circle | carry swimwear everywhere for the hot pools
Valparaíso | Chile | Cerro Alegre; the funiculars; La Sebastiana; the port | caldillo de congrio | December | funiculars
  | the Casablanca wine valley | keep to the painted hills after dark
Tbilisi | Georgia | the sulphur baths; Narikala; the dry bridge; Rustaveli avenue | khinkali | September and October | marshrutkas
  | Mtskheta | taste the amber wine from clay jars
Ghent | Belgium | Gravensteen; the Graslei; the Mystic Lamb; Patershol | waterzooi | April | trams and canal boats
  | Bruges | stay overnight, for the evening light is the best part
""",
)

CROPS = (
    "name sow spacing water pest remedy harvest",
    """
tomatoes | indoors in March | 60 cm | deeply twice a week at the root | late blight | a roof against rain and airy rows
  | the fruit gives slightly and comes off with a twist
garlic bulbs | as cloves in October | 12 cm | hardly at all after June | rust | a bed that saw no onions for three years
  | the lower third of the leaves has turned yellow
kale plants | in a seed tray in May | 45 cm | evenly, especially in July | cabbage white caterpillars | a fine net from
  planting day
  | the first frost has sweetened the leaves
runner beans | outdoors after mid-May | 20 cm | daily once they flower | black aphids | nipping off the tips
  | the pods snap cleanly and the seeds are still small
carrots | from March in rows | 4 cm after thinning | rarely but thoroughly | carrot fly | fleece and a windy spot
  | the shoulders show their colour above the soil
strawberries | as runners in August | 30 cm | in the morning, below the leaves | grey mould | straw under the fruit
  | the berry is red right up to the calyx
potatoes | as sprouted tubers in April | 35 cm | when the flowers open | Colorado beetle | picking the larvae by hand
  | the foliage dies back
pumpkins | in pots in April | 150 cm | generously and with compost | powdery mildew | milk diluted one to nine
  | the stalk turns corky and the skin resists a fingernail
lettuces | every three weeks from March | 25 cm | little and often | slugs | evening rounds with a torch
  | the head feels firm but has not stretched
leeks | in February under glass | 15 cm | steadily until autumn | leek moth | a net in May and August | the shaft is as thick
  as a thumb
sweet corn plants | in blocks in early May | 30 cm | at silking time above all | the corn borer | shredding old stalks
  | a pricked kernel gives milky juice
basil plants | on a windowsill in April | 20 cm | from below, never over the leaves | downy mildew | space between pots
  | a stem has four pairs of leaves
beetroots | from April to June | 10 cm | before the soil dries out | leaf miners | removing spotted leaves | the root has the
  size of a tennis ball
cucumbers | in single pots in late April | 50 cm | lukewarm and daily | spider mites | misting on hot days
  | the skin is smooth and still dark green
onions | as sets in late March | 8 cm | only in drought | onion fly | growing them beside carrots | the necks have fallen over
raspberries | as canes in November | 40 cm | weekly under a mulch | the raspberry beetle | shaking the canes at dawn
  | the fruit slips off its core
""",
)

CONCEPTS = (
    "name definition example myth truth field",
    """
osmosis | the passage of water through a membrane towards the saltier side | raisins swell in a glass of water
  | plants suck water up like a straw | the roots hold more dissolved salts than the soil around them | biology
photosynthesis | the making of sugar from carbon dioxide, water and light | a pondweed gives off bubbles under a lamp
  | plants breathe in only carbon dioxide | they also use oxygen, day and night | biology
inertia | the tendency of a body to keep its state of motion | coffee spills when a car brakes
  | moving things need a force to keep going | friction is what makes them stop | physics
density | mass divided by volume | an ice cube floats in a glass of water | heavy things always sink
  | a ship floats because, hull and air together, it is lighter than the water it displaces | physics
a catalyst | a substance that speeds up a reaction without being used up | a pinch of yeast makes peroxide foam
  | a catalyst adds energy to the reaction | it opens a path that needs less energy | chemistry
plate tectonics | the slow movement of the slabs that form the outer shell of the earth | the coasts of Africa and Brazil match
  | continents drift about on liquid rock | the mantle below is solid but creeps over millions of years | geology
inflation | a lasting rise in the general level of prices | the same basket costs 52 euros this year and 50 last year
  | every dearer product is a sign of it | only the average of many prices counts | economics
opportunity cost | the value of the best alternative you give up | an evening of overtime costs an evening of study
  | it is the money you paid at the till | no money has to change hands at all | economics
evaporation | the change from liquid to gas below the boiling point | laundry dries on a cold, windy day
  | water has to boil to turn into vapour | fast molecules leave the surface at any temperature | physics
natural selection | the better survival of those whose traits fit their surroundings | moths on dark bark escape the birds
  | animals adapt because they want to | variation comes first and is blind | biology
a prime number | a whole number above one with exactly two divisors | 29 can only be split into one row of 29
  | every odd number is prime | nine is odd and equals three times three | mathematics
probability | a number between zero and one that says how likely an event is | a die shows a six in one of six cases
  | tails is due after five heads in a row | the coin has no memory | mathematics
the water cycle | the journey of water between sea, air and land | a puddle vanishes and returns as a shower
  | rain is new water | it has fallen countless times before | geography
an electric current | the ordered flow of charge through a conductor | a lamp lights when the switch closes the loop
  | the charge is used up by the lamp | energy is passed on while the charge goes around | physics
a metaphor | a figure of speech that names one thing as another | the classroom was a beehive
  | a metaphor is the same as a simile | a simile says like or as, this does not | language
supply and demand | the interplay that settles a price | umbrellas cost more when it starts to pour
  | sellers alone decide the price | nobody can sell above what buyers will pay | economics
""",
)

TOOLS = (
    "name what when command pitfall fix",
    """
git rebase | rewrites your commits on top of another branch | you want a straight history before merging | git rebase main
  | rewriting commits that others have already pulled | rebase only local branches
docker volumes | keep data outside the container's own layer | a database must survive an upgrade
  | docker volume create pgdata | running prune with the volumes flag | label what must stay
cron | starts commands at fixed times | a backup has to run every night | crontab -e
  | relying on the PATH of your shell | write full paths and log the output
a virtual environment | keeps the packages of one project apart | two projects need different versions | python -m venv .venv
  | installing before it is activated | check which interpreter runs
regular expressions | describe patterns in text | you must find every date in a log | grep -E '[0-9]{4}-[0-9]{2}' app.log
  | greedy quantifiers that swallow too much | make them lazy or anchor them
SSH keys | replace passwords for remote logins | you deploy several times a day | ssh-keygen -t ed25519
  | a private key readable for everyone | set its mode to 600
a database index | finds rows without reading the whole table | a filter on one column is slow
  | CREATE INDEX idx_day ON visits (day); | indexing every single column | measure with EXPLAIN first
unit tests | check one function at a time | you are about to refactor | pytest -q | testing details of the implementation
  | assert on results that users see
load balancing | spreads requests over several servers | one machine no longer copes | nginx -t
  | sessions kept in the memory of one server | move them into a shared store
environment variables | hand settings to a program from outside | the same build runs in test and live
  | export APP_MODE=test | writing secrets into the shell history | read them from a protected file
caching | keeps results that are costly to compute | the same page is built a thousand times | redis-cli info stats
  | serving stale entries after a change | give every entry a lifetime
pagination | returns long lists in portions | a list has more than a few hundred rows | curl "localhost:8000/items?page=2"
  | offsets that shift while rows are added | page by the last seen key
semantic versioning | tells users what a release may break | others build on your library | git tag v2.1.0
  | a breaking change in a patch release | raise the major number instead
logging | records what a program did and when | an error shows up only at night | journalctl -u web --since today
  | dumping whole requests with private data | log identifiers and durations
a message queue | passes jobs between programs that work at their own pace | mails go out in bursts | rabbitmqctl list_queues
  | handling the same job twice | make each job safe to repeat
a linter | points out likely mistakes before the code runs | several people share one style | ruff check .
  | silencing whole files | switch off single rules with a reason
""",
)

LAW = (
    "name rule papers deadline mistake step",
    """
a rental deposit | the landlord may keep only what real damage or unpaid rent comes to | the lease; the handover record; photos
  | a few months after moving out | handing back the keys without a written record | ask for an itemised statement
a faulty purchase | the seller has to repair or replace what was defective from the start | the receipt; the seller's replies;
  photos
  | two years in many countries | sending the item back to the maker instead of the shop | describe the fault in writing
an unpaid invoice | a debtor who is in arrears owes interest as well | the contract; the invoice; the delivery note
  | three years after the end of the year in question | waiting until the firm has closed | send a reminder with a date
a notice of dismissal | it must be in writing and keep the notice period | the contract; the letter; pay slips
  | a few weeks for going to court | signing a settlement on the spot | note the day on which it arrived
a noisy neighbour | quiet hours are set by local rules and the house rules | a noise diary; names of witnesses
  | none, yet the diary should cover two weeks | shouting back at midnight | talk to them on a quiet afternoon
a parking fine | you may object in writing before you pay | the notice; a photo of the sign | often fourteen days
  | paying first and objecting later | look at the date on the notice
an inheritance with debts | heirs can decline the estate as a whole | the death certificate; proof of kinship; the court form
  | six weeks in some places | selling a piece of furniture beforehand | list assets and debts
a delayed flight | passengers are owed compensation for long delays within the airline's control | the boarding pass; the
  booking; receipts
  | between one and six years | accepting a voucher without reading it | have the delay confirmed at the desk
a contract signed at the door | consumers may withdraw within a cooling-off period | the contract; the withdrawal form; proof
  of posting
  | fourteen days | ringing instead of writing | send the withdrawal by registered post
copyright in photos | whoever pressed the shutter decides on copying | the original file; the licence; screenshots
  | decades after the author's death | assuming that pictures on the web are free | ask the author for a licence
a will written at home | it has to be in your own hand, dated and signed | the sheet itself; an identity card
  | any time while you are of sound mind | typing it on a computer | write where it is kept
custody after a separation | the child's welfare comes before the parents' wishes | the birth certificate; a plan for the week
  | as early as possible | talking badly about the other parent | draft a plan together
a data access request | firms must tell you what they store about you | the letter; proof of identity | one month as a rule
  | sending a copy of the passport unmasked | address the data protection officer
a work accident | the insurer pays for treatment and lost wages | the accident report; the doctor's note; witnesses' names
  | three days for the report in many places | telling the doctor it happened at home | inform the employer at once
a private car sale | a seller may exclude liability but must not hide known faults | the contract; the service book; the
  registration
  | until the handover | trusting a promise made on the phone | put the mileage into the contract
a club's annual meeting | resolutions count only if members were invited in time | the statutes; the invitation; the minutes
  | as the statutes say | voting on items that were not on the agenda | read the statutes aloud
""",
)

BOOKKEEPING = (
    "name debit credit paper why mistake",
    """
the purchase of a laptop | office equipment | bank | the supplier's invoice | it will serve for more than one year
  | booking it as a consumable
the monthly rent | rent expense | bank | the lease and the bank statement | the benefit is used up within the month
  | entering two months in one line
a sale on account | trade receivables | sales revenue | a copy of our invoice | income is earned on delivery
  | waiting for the money before booking
a customer's payment | bank | trade receivables | the bank statement | an open claim turns into cash | booking it as new revenue
wages for warehouse staff | wages expense | wages payable | the payroll sheet | the work has been done though nobody is paid yet
  | forgetting the employer's share of social security
a bank loan | bank | long-term loans | the loan agreement | money comes in and has to be paid back | treating it as income
interest on an overdraft | interest expense | bank | the bank's quarterly statement | it is the price of borrowed money
  | hiding it among bank charges
depreciation of a van | depreciation expense | accumulated depreciation | the asset register | its value falls with use
  | depreciating the residual value as well
goods returned by a customer | sales returns | trade receivables | a credit note | the earlier income did not last
  | reducing purchases instead
insurance paid in advance | prepaid expenses | bank | the policy | most of the cover lies in the next year
  | expensing the whole premium in December
a private withdrawal by the owner | drawings | cash | a signed slip | it is no cost of the business | calling it travel expense
a bad debt | bad debt expense | trade receivables | the court's letter | nothing can be collected any more
  | leaving it in the books for years
a supplier's discount | trade payables | purchase discounts | the remittance advice | we paid early and owe less
  | forgetting the tax part of it
stationery bought with petty cash | office supplies | petty cash | the till receipt | it is used up quickly
  | collecting receipts in a drawer until summer
a deposit from a customer | bank | contract liabilities | the pro forma invoice | the service is still owed
  | showing it as turnover straight away
freight on purchases | inventory | trade payables | the forwarder's bill | it belongs to the cost of the goods
  | writing it off as general expense
""",
)

PRODUCTS = (
    "name problem checks cause remedy",
    """
the coffee machine CM-20 | it leaks under the tray | the water tank's seal; the drip tray's position; the descaling lamp
  | a dried-out gasket | we send a new gasket free of charge
the robot vacuum | it does not find its dock | the dock's power light; the mirror on the hall wall; the infrared window
  | a shiny surface beside the dock | move the dock half a metre and restart it
the wireless headphones | only the left side plays | the balance setting; the charging contacts; the pairing list
  | a pairing that got lost | reset both earpieces for ten seconds
the trail running shoes | the sole is coming off | the date of purchase; the washing instructions; both seams
  | drying on a radiator | we replace them within the warranty
the e-bike battery | it shuts off at forty per cent | the contacts; the outside temperature; the firmware version
  | cells that are out of balance | charge it fully three times in a row
the garden hose reel | it no longer rolls up | the spring lock; twists in the hose; the wall bracket
  | a hose that was pulled out at an angle | release the catch and guide it by hand
the smart thermostat | the room stays cold | the valve's position; the holiday mode; the batteries
  | a schedule left over from summer | load the winter schedule
the language app | the lessons do not load | the connection; the storage space; the version in the shop
  | an outdated cache | clear the cache and sign in again
the sofa bed | a leg wobbles | the four long screws; the floor protectors; the centre support
  | a missing washer | a parcel with washers leaves today
the ebook reader | pages turn by themselves | dirt along the frame; the screen protector; gloves or wet fingers
  | a protector with air bubbles | take the protector off and calibrate
the pressure cooker | no pressure builds up | the sealing ring; the valve; the fill level | a ring that has gone hard
  | order ring size 22, which fits
the baby monitor | the picture freezes | the distance to the router; other cameras; the antenna | a crowded radio channel
  | switch it to channel 11
the monthly vegetable box | the greens arrived limp | the delivery time; the cool bag; the place where it was left
  | a box that stood in the sun | we credit the full amount
the dishwasher | glasses come out cloudy | the salt level; the rinse aid; the hardness setting | hard water
  | raise the softener by two steps
the desk lamp | it flickers at low brightness | the plug; the dimmer; the transformer | a dimmer made for old bulbs
  | use the dimmer that came with it
the hiking tent | the inner wall was wet | the vents; the guy lines; the groundsheet's edge | condensation, not rain
  | open both vents before you sleep
""",
)

JOBS = (
    "name tasks training skill hard good",
    """
a midwife | attend births; examine newborns; advise families | a degree with long placements | calm judgement
  | nights on call | you meet families at their happiest
a surveyor | measure land; draw plans; mark boundaries | an engineering degree or an apprenticeship | spatial thinking
  | standing in muddy fields in January | your lines stay on maps for decades
a proofreader | correct spelling; query facts; keep style consistent | a humanities degree and a test text | patience with commas
  | tight deadlines | you read things before everybody else
a paramedic | assess patients; give first treatment; drive under pressure | three years of vocational training | clear
  communication
  | scenes you do not forget | a decision can save a life
a beekeeper | inspect hives; harvest honey; fight mites | courses and a mentor | gentle hands | stings and bad summers
  | the season sets the rhythm
a data analyst | clean tables; build reports; explain results | statistics and a portfolio | a nose for the right question
  | data that nobody documented | one chart can change a plan
a restorer of paintings | test varnish; clean surfaces; fill losses | a degree plus internships | a steady hand
  | solvents and slow progress | you sit face to face with masters
a train driver | run checks; follow signals; handle delays | about a year of training | concentration | early shifts
  | sunrise over an empty line
a primary school teacher | plan lessons; teach reading; talk with parents | a teaching degree | humour and firmness
  | noise and paperwork | children who suddenly can read
a cabinetmaker | choose timber; cut joints; finish surfaces | a three-year apprenticeship | precision | dust and heavy boards
  | furniture that outlives you
a tax adviser | prepare returns; deal with offices; plan ahead | a degree and a hard state exam | accuracy
  | spring without weekends | grateful clients
a sign language interpreter | interpret at offices; prepare terms; stay neutral | a degree of several years | quick memory
  | tired shoulders | you make conversations possible
a lighting technician | rig lamps; programme cues; follow rehearsals | an apprenticeship at a theatre | an eye for mood
  | working when others celebrate | applause you helped to shape
a veterinary nurse | hold animals; run lab tests; comfort owners | a vocational diploma | empathy | putting animals to sleep
  | patients that wag their tails
a wind turbine technician | climb towers; change parts; read sensor data | electrical training and safety courses
  | a head for heights | weather that decides for you | the view from the top
an archivist | order papers; describe boxes; help researchers | a history degree and a trainee year | method | old handwriting
  in bulk
  | finding a letter nobody has read
""",
)

STUDY = (
    "name methods mistake time sign",
    """
learning vocabulary | use cards with a picture; review after one, three and nine days; say each word aloud | rereading long lists
  | twelve minutes a day | words turn up in your dreams
writing an essay | put the claim into one sentence; give each paragraph one job; cut the first draft by a tenth
  | starting with the introduction | four sittings of an hour | a stranger can retell your point
mental arithmetic | break numbers at ten; estimate first; play with prices in the shop | reaching for the phone
  | five minutes before dinner | you spot a wrong bill
speaking in public | rehearse the first minute; slow down at the end of sentences; look at three faces | reading slides
  | three run-throughs | questions begin while you still talk
taking notes | leave a wide margin; use your own words; add a question per page | copying every line
  | ten minutes after each class | you can teach from the page
preparing for an exam | solve old papers; mix topics; sleep before the day | cramming through the night | three weeks in small
  pieces
  | mistakes become boring
reading a difficult book | read the last chapter early; mark one idea per page; discuss it with somebody
  | stopping at each unknown word | thirty pages a week | you disagree with the author
working in a group | share out roles; write down decisions; meet briefly but often | leaving the text to one person
  | two short meetings a week | nobody asks who does what
learning to type | keep eyes off the keys; train weak fingers; raise speed last | practising with mistakes
  | a quarter of an hour daily | your thoughts set the pace
understanding fractions | cut paper strips; compare with one half; draw before you calculate | adding the bottoms
  | two weeks of short drills | three eighths gets a place on a line
memorising a poem | learn it backwards, stanza by stanza; walk while reciting; write the first letters
  | starting from the top each time | five evenings | you hear the next line coming
planning homework | start with the hardest task; set a timer; pack the bag in the evening | working with the phone at hand
  | an hour with one break | Sunday nights are free
improving handwriting | slow down; hold the pen lightly; train loops in rows | writing larger only | six weeks
  | others stop asking what it says
doing a science project | ask something you can measure; change one thing at a time; keep a lab book
  | choosing a topic that is too wide | a month with weekly steps | the graph surprises you
learning to listen in a foreign language | use short clips; listen thrice before reading; imitate the tune
  | switching subtitles on at once | one clip a day | jokes start to work
overcoming writer's block | write badly on purpose; change the place; begin in the middle | waiting for a mood
  | twenty minutes without stopping | the page is no longer white
""",
)

ANIMALS = (
    "name habitat food life habit myth truth",
    """
the hedgehog | gardens and hedgerows | beetles, worms and caterpillars | three to seven years | sleeps through the cold months
  | it carries apples on its spines | fruit plays no part in its diet
the barn owl | open farmland | voles and shrews | four years on average | hears a mouse under the snow
  | it brings bad luck | it rids a farm of thousands of mice
the octopus | reefs and rocky shores | crabs and mussels | one to five years | changes colour within a second
  | it has tentacles | its eight limbs are arms with suckers all along
the giraffe | the African savannah | acacia leaves | twenty-five years | sleeps less than two hours a day
  | it has extra bones in its neck | there are seven, as in humans
the common toad | woods and damp meadows | slugs, ants and spiders | ten to twelve years | returns to the pond of its birth
  | touching it gives you warts | warts come from a virus
the emperor penguin | the Antarctic sea ice | fish and krill | about twenty years | balances the egg on its feet
  | it lives together with polar bears | those live at the opposite pole
the honey bee | meadows, orchards and hives | nectar and pollen | six weeks in summer | dances to show the way
  | every bee dies after stinging | only workers do, and only in elastic skin
the camel | deserts and dry steppe | thorny shrubs and grasses | forty years | drinks a hundred litres at one go
  | the hump is full of water | it is a store of fat
the red fox | forests, fields and suburbs | mice, berries and scraps | three to four years in the wild | buries leftovers
  | a tame one must have rabies | many city animals are simply used to people
the sea horse | seagrass beds | tiny shrimps | two to five years | lets the male carry the young
  | it is a crustacean | it breathes through gills like other fish
the bat | caves, attics and old trees | moths and mosquitoes | up to thirty years | hangs head down to rest
  | it is blind | it sees quite well and hears even better
the beaver | slow rivers | bark, twigs and water plants | twelve years | builds dams at night | it eats fish
  | it is a strict vegetarian
the chameleon | forests of Madagascar | crickets and flies | two to eight years | moves its eyes independently
  | it matches any background | colour shows mood and warmth above all
the earthworm | the upper soil | dead leaves | up to eight years | draws leaves into its tunnel
  | cut in half, it becomes two | at best the head end survives
the cuckoo | reed beds and woodland edges | hairy caterpillars | six years | lays eggs into other nests
  | it turns into a hawk in winter | it flies south to Africa
the snow leopard | the mountains of Central Asia | wild sheep and ibex | fifteen years | wraps its tail around itself
  | it roars like a lion | its throat can only purr and chuff
""",
)

REPAIRS = (
    "name tools steps cause warn time",
    """
a dripping tap | a spanner; a new washer; a cloth | shut off the water; unscrew the headgear; swap the washer; reassemble and test
  | a worn washer | never force a stuck thread | half an hour
a squeaking door | an oil can; kitchen paper | lift the door slightly; oil both hinges; move it ten times; wipe off the rest
  | dry hinges | do not use cooking oil | ten minutes
a blocked sink | a plunger; a bucket; rubber gloves | bail out water; plug the overflow; pump hard; clean the trap
  | grease and hair | do not mix drain cleaners | forty minutes
a flat bicycle tyre | two levers; a patch set; a pump | take out the wheel; find the hole under water; roughen and glue; wait
  and press on
  | glass or a pinched tube | check the rim tape, too | twenty-five minutes
a crack in plaster | filler; a scraper; fine sandpaper | open the crack a little; brush it out; fill in two layers; sand and paint
  | settling of the house | watch cracks wider than a coin | an evening plus drying
a running toilet | a sponge; a new flap | close the valve; empty the cistern; clean the seat; change the flap
  | lime on the seal | do not hang blocks in the cistern | one hour
a loose chair leg | wood glue; a clamp; warm water | pull the joint apart; scrape old glue off; glue thinly; clamp overnight
  | glue that has dried out | no screws into the joint | a quarter of an hour plus a night
a draughty window | sealing tape; a pencil; scissors | find gaps with a candle; clean the rebate; stick on the tape; test with
  paper
  | brittle seals | leave drainage holes open | an afternoon
a tripped fuse | a torch | unplug everything in the room; reset the switch; plug in one by one; note the culprit
  | a faulty appliance | call an electrician if it trips while empty | fifteen minutes
a scratched wooden floor | a repair wax set; a hairdryer; a cloth | clean the spot; melt matching wax; fill and level; polish
  | grit under a chair | test the colour in a corner | three quarters of an hour
mould in a bathroom corner | gloves; alcohol; a brush | air the room; wet the spot; scrub and rinse; dry it with a fan
  | warm damp air on a cold wall | throw sponges away afterwards | an hour
a slow radiator | a bleed key; a cup | switch off the pump; open the valve; wait for water; check the pressure
  | trapped air | the water may be hot | five minutes per room
a broken zip | pliers; a candle; a new slider | look for bent teeth; squeeze the slider gently; wax the track; replace the slider
  | a slider that has widened | heat damages nylon teeth | a short evening
a wobbly shelf | a level; wall plugs; a drill | empty it; test the wall; drill one size up; fix and load slowly
  | plugs that are too small | look for cables first | an hour and a half
a stained marble top | baking soda; water; cling film | mix a paste; spread it on; cover for a day; rinse and dry
  | wine or oil in the pores | acid etches the stone | a day of waiting
a noisy extractor fan | a screwdriver; degreaser; an old toothbrush | cut the power; take out the filter; soak it; clean the
  blades
  | grease on the blades | let it dry fully | an hour including soaking
""",
)

HOBBIES = (
    "name gear first error benefit rhythm",
    """
birdwatching | binoculars; a field guide; a notebook | learn ten common songs | chasing rarities from day one
  | it sharpens hearing and patience | an early walk each weekend
bouldering | climbing shoes; chalk; loose trousers | practise falling | pulling with the arms only
  | it trains balance and nerve | twice a week with a rest day
knitting | two needles; smooth wool; a blunt needle | knit a plain square | pulling each stitch tight
  | hands get warm and the mind quiet | a row every evening
chess | a board; a clock; a book of endings | learn mates with a rook | memorising openings
  | it teaches you to think before acting | one slow game a week
open-water swimming | a bright cap; goggles; a tow float | swim along the shore | going out alone
  | cold water wakes every nerve | three sessions in summer
watercolour painting | three colours; good paper; one round brush | paint a grey scale | using too little water
  | you begin to see light | half an hour on quiet days
playing the ukulele | a tuned instrument; a capo; a chord chart | change between C and F | pressing too hard
  | songs come within days | ten minutes after supper
geocaching | a phone; a pencil; swap items | look for a large box | searching only with the screen
  | walks gain a purpose | one hunt per outing
baking bread | a scale; a banneton; a razor blade | keep a diary of temperatures | adding flour to sticky dough
  | the kitchen smells of home | a loaf every Saturday
astronomy | a red lamp; a star chart; warm clothes | find the ecliptic | buying a large telescope at once
  | it puts troubles into proportion | each moonless night
running | fitting shoes; a watch; a reflective vest | alternate jogging and walking | starting too fast
  | sleep becomes deeper | three times a week
choir singing | a pencil; a folder; water | find your range | singing louder to be heard
  | breathing slows down | a rehearsal every Tuesday
model railways | a loop of track; a transformer; cork | lay an oval | building the mountains first
  | it joins craft and planning | a corner at a time
foraging | a basket; a knife; two field guides | learn five safe plants | trusting a single picture
  | you notice the seasons | from March to November
table tennis | a bat; a dozen balls; a partner | practise the backhand push | standing too close
  | reactions get quicker | an hour on Thursdays
journalling | a plain notebook; a good pen | write three lines | aiming at literature
  | days stop blurring together | every night before bed
""",
)

TABLES = {
    "dishes": DISHES,
    "ailments": AILMENTS,
    "cities": CITIES,
    "crops": CROPS,
    "concepts": CONCEPTS,
    "tools": TOOLS,
    "law": LAW,
    "bookkeeping": BOOKKEEPING,
    "products": PRODUCTS,
    "jobs": JOBS,
    "study": STUDY,
    "animals": ANIMALS,
    "repairs": REPAIRS,
    "hobbies": HOBBIES,
}

"""Sentences as people type and say them to a robot, in the form of ``sentences.py``."""

SPOKEN = """
not the chair near the bed but the one by the window | chair [near window], not chair [near bed]
can you please tell me where the blue water bottle is | blue water bottle
robot find my keys | keys
fetch me something to drink | something to drink
something i can drink from | something to drink from
is there anything to write with | anything to write with
i need somewhere to sit | somewhere to sit
do we have any bananas | all: banana
do we have a screwdriver | screwdriver
is there a fire extinguisher | fire extinguisher
are there any plants near the window | all: plant [near window]
is there a lamp on the desk | lamp [on desk]
count the chairs | count: chair
count all the books on the shelf | count: book [on shelf]
how many red chairs are there | count: red chair
how many cups are on the table | count: cup [on table]
how many of the mugs are blue | count: blue mug
number of plates on the table | count: plate [on table]
how many chairs do you see around the table | count: chair [near table]
how many things are on the table | count: anything [on table]
list all bottles | all: bottle
show me every lamp | all: lamp
all of the cushions on the sofa | all: cushion [on sofa]
all books except the red ones | all: book, not red anything
each of the boxes | all: box
both lamps | all: lamp
the red or blue mug | red mug or blue mug
the red mug or the blue bowl | red mug or blue bowl
red and blue mugs | all: red blue mug
the black and white pillow | black white pillow
chairs but not the wooden ones | all: chair, not wooden chair
chairs that are not wooden | all: chair, not wooden chair
a chair that isn't made of wood | chair, not chair made of wood
mug without a handle | mug | without a handle
cup with no handle | cup | with no handle
bottle in the fridge | bottle [in fridge]
milk in the refrigerator | milk [in refrigerator]
the shoes by the door | all: shoe [near door]
what's behind the sofa | all: anything [behind sofa]
what is in front of me | all: anything [front viewpoint]
the chair in front of me | chair [front viewpoint]
the thing to my left | anything [left viewpoint]
what's to the left of the fridge | all: anything [left fridge]
the bag at my feet | bag [near viewpoint]
on top of the cabinet | anything [on cabinet]
the vase on top of the cabinet | vase [on cabinet]
the box underneath the table | box [under table]
the bin underneath the desk | bin [under desk]
the chair opposite the tv | chair | opposite the tv
the chair across from the sofa | chair | across from the sofa
the plant in the corner | plant | in the corner
the lamp in the corner of the room | lamp | in the corner of the room
the table against the wall | table [near wall]
the broom leaning against the wall | broom [near wall]
the carton which reads orange juice | carton "orange juice"
the jar labelled tea | jar "tea"
the tin marked sugar | tin "sugar"
a bottle with the word poison on it | bottle "poison"
the box that does not say milk | box, not anything "milk"
the box that doesn't say milk | box, not anything "milk"
boxes not labelled tea | all: box, not anything "tea"
a can without a label | can | without a label
the bottle that isn't labelled milk | bottle, not anything "milk"
second shelf from the top | highest shelf | second
the third drawer from the bottom | lowest drawer | third
the top drawer | highest drawer
the bottom shelf | lowest shelf
the top shelf of the bookcase | highest shelf of the bookcase
the middle shelf | shelf | middle
the second chair from the left | leftmost chair | second
the chair on the far left | leftmost chair
the middle chair | chair | middle
the first book on the left | leftmost book | first
which of the chairs is closest to the door | chair [nearest door]
which chair is nearest to the window | chair [nearest window]
which is the biggest box | largest box
what is the largest thing on the table | all: largest anything [on table]
which mug is the smallest | smallest mug
what's the closest thing to the fridge | all: anything [nearest fridge]
the closest one to the door | anything [nearest door]
the tallest of the plants | tallest plant
the one that is red | red anything
the one on the table | anything [on table]
the one next to the fridge | anything [near fridge]
the chair that's closest to the table | chair [nearest table]
the big one on the left | leftmost large anything
the other chair | chair | other
another chair | chair | another
THE RED MUG | red mug
WHERE IS THE FRIDGE??? | fridge
Where is the "red mug"? | red mug
the 'blue' chair | blue chair
find the mug ☕ | mug | ☕
red chair 🪑 please | red chair | 🪑
where is the teh mug | mug | teh (the?)
where is teh mug | mug | teh (the?)
find the coffe mug | mug | coffe (coffee?)
the refridgerator | refridgerator | refridgerator (refrigerator?)
the microvave next to the sink | microvave [near sink] | microvave (microwave?)
the chiar by the tabel | chiar [near tabel] | chiar (chair?); tabel (table?)
the grene bottle | bottle | grene (green?)
the vaccum cleaner | cleaner | vaccum (vacuum?)
the telly | telly | telly (cell?)
the kettle and the toaster | all: kettle or toaster
the glass on the table | glass [on table]
the cardboard box under the table | cardboard box [under table]
my favourite mug | favourite mug
the grey sofa | gray sofa
the light grey carpet | light gray carpet
the navy blue jacket | blue jacket
the lime green cup | light green cup
the off-white wall | white wall
the coloured pencils | all: coloured pencil
bright red toolbox | light red toolbox
the small blue box on the big table | small blue box [on large table]
the biggest red box | largest red box
the second largest box | largest box | second
the second biggest chair | largest chair | second
the three chairs around the table | all: chair [near table]
five books on the shelf | all: book [on shelf]
the three red books | all: red book
a couple of books | all: book
a few mugs | all: mug
several chairs | all: chair
pairs of shoes | all: pair of shoes
the mug left of the kettle | mug [left kettle]
the mug to the left of the kettle | mug [left kettle]
the mug left to the kettle | mug [left kettle]
the cup to the right of the microwave from my point of view | cup [right microwave]
the chair on the left side of the table | chair [left table]
the book between the lamp and the plant | book [between lamp and plant]
what is between the fridge and the cabinet | all: anything [between fridge and cabinet]
the thing between the two chairs | anything [between chair]
the plant in between the sofa and the tv | plant [between sofa and tv]
the lamp beside the bed | lamp [near bed]
the socks beneath the bed | all: sock [under bed]
the pan over the stove | pan [above stove]
the picture above the sofa | picture [above sofa]
the painting on the wall | painting [on wall]
the picture hanging over the bed | picture [above bed]
the clock on the wall above the door | clock [on wall [above door]]
the carpet below the table | carpet [under table]
the rug on the floor | rug [on floor]
the wall behind the sofa | wall [behind sofa]
the top of the table | table top
the floor under the table | floor [under table]
der rote stuhl | der rote stuhl | der (des?); rote (rose?); stuhl (steel?)
où est la bouteille | où est la bouteille | où; est (west?); la; bouteille
donde esta la mesa | donde esta la mesa | donde (one?); esta; la
la taza roja | la taza roja | la; taza; roja
la sedia rossa | la sedia rossa | la; sedia (media?); rossa (cross?)
dov'è la tazza | dov'è la tazza | dov'è (movie?); la; tazza (pizza?)
a cadeira vermelha | cadeira vermelha | cadeira (camera?); vermelha
красный стул | красный стул | красный; стул
где стол | где стол | где; стол
红色的椅子 | 红色的椅子 | 红色的椅子
桌子在哪里 | 桌子在哪里 | 桌子在哪里
赤い椅子 | 赤い椅子 | 赤い椅子
椅子はどこ | 椅子はどこ | 椅子はどこ
das Bett | das bett | das (as?); bett (belt?)
le lit | le lit | le
il tavolo | il tavolo | il; tavolo
la botella azul | la botella azul | la; botella; azul
un vaso de agua | un vaso de agua | un; vaso (vase?); de; agua
everything on the table | all: anything [on table]
everything but the chairs | all: anything, not chair
everything except the table and the chairs | all: anything, not table, not chair
anything but the mug | anything, not mug
anything red | red anything
something blue | blue anything
all red things | all: red anything
all things on the floor | all: anything [on floor]
things that are not on the table | all: anything [not on table]
what is not on the table | all: anything [not on table]
objects under the bed | all: anything [under bed]
the mug that is on the table but not next to the kettle | mug [on table] [not near kettle]
the chair not near the table | chair [not near table]
a chair that is not next to the table | chair [not near table]
chairs not at the table | all: chair [not at table]
no chairs | anything, not chair
not a mug | anything, not mug
the mug but not the red one | mug, not red anything
mugs other than the red one | all: mug, not red anything
any chair besides the red one | chair, not red anything
the chair rather than the stool | chair, not stool
the box on the shelf next to the books | box [on shelf [near book]]
the box on the shelf that is next to the fridge | box [on shelf] [near fridge]
go to the chair | chair
drive to the fridge | fridge
take me to the kitchen table | kitchen table
bring me the red mug from the table | red mug [at table]
pick up the book on the floor | book [on floor]
give me the remote control please | remote control
could you grab the towel | towel
grab the towel | towel
hand me the salt | salt
look for the scissors | scissors
locate the nearest exit | nearest exit
i'm looking for a place to sit | place to sit
i am looking for my glasses | glasses
have you seen my glasses | glasses
have you seen the remote | remote
i lost my wallet | wallet
where did i put my keys | keys
where did I leave my mug | mug
do you know where the remote is | remote
can you see a chair | chair
can you find a chair for me | chair for me
tell me where the bed is | bed
i'm thirsty | i'm thirsty | i'm thirsty
i'm hungry | i'm hungry | i'm hungry
why is the chair red | red chair | why
what's this | all: anything
what is that on the table | all: anything [on table]
what's on the shelf | all: anything [on shelf]
what is inside the cabinet | all: anything [in cabinet]
what's in the box | all: anything [in box]
hello | hello | hello
help | help | help
mugs | all: mug
a chair near the table and next to the plant | chair [near table] [near plant]
a chair near the table and a mug on the shelf | all: chair [near table] or mug [on shelf]
chair, table, lamp | all: chair or table or lamp
the chair with armrests | chair with | armrests
the table with a laptop on it | table [carrying laptop]
the table with the plant on it | table [carrying plant]
the shelf with books on it | shelf [carrying book]
a table that has a mug on it | table [carrying mug]
the cabinet that the microwave stands on | cabinet [carrying microwave]
the box under which the ball is | box [above ball]
where the books are | all: book
the heaviest box | box | heaviest
the lightest chair | chair | lightest
the darkest book | book | darkest
the brightest lamp | lamp | brightest
a bigger box | largest box
the bigger box | largest box
the smaller of the two chairs | smallest chair
the taller plant | tallest plant
the lower shelf | lowest shelf
the upper cabinet | highest cabinet
the right one | rightmost anything
the rightmost book on the shelf | rightmost book [on shelf]
the furthest chair from me | chair [farthest viewpoint]
the chair furthest away from the door | chair [farthest door]
chairs far from the table | all: chair [far table]
a chair not far from the table | chair [not far table]
chairs within 2 meters of the table | all: chair [near table] | within 2 meters
the box 1 m left of the table | box [left table] | 1 m
the red chair the blue chair and the green chair | all: red chair or green chair | the blue chair
um where is uh the mug | mug
i would like to have the book that is on the lowest shelf | book [on lowest shelf]
i'd love a cup of coffee | cup of coffee
where can i find a spoon | spoon
where do you keep the spoons | all: spoon
where are the spoons kept | all: spoon
are the chairs red | all: red chair
does the table have a plant on it | table [carrying plant]
was there a cup here | cup
do you see any red chairs | all: red chair
are there more than two chairs | all: chair | more than
is there more than one chair | chair | more than
at least three mugs | all: mug | at least
only the red chairs | all: red chair
just the red chair | red chair
exactly two chairs | all: chair | exactly
the same chair | chair | same
a red mug and a blue one | all: red mug or blue mug
the blue mug and the red one | all: blue mug or red mug
the red one and the blue one | all: red anything or blue anything
not red | not red anything
not red or blue | not red not blue anything
chairs that are neither red nor blue | all: not red not blue chair
a mug that is neither red nor on the table | not red mug [not on table]
non-red chairs | all: not red chair
chairs except for the one by the door | all: chair, not anything [near door]
every chair apart from the blue one | all: chair, not blue anything
all the boxes minus the red one | all: box, not red anything
mugs excluding white ones | all: mug, not white anything
the mug that is closest to the kettle on the table | mug [nearest kettle [on table]]
the mug nearest the kettle | mug [nearest kettle]
the nearest mug to the kettle | mug [nearest kettle]
the mug near kettle | mug [near kettle]
2 chairs | all: chair
chair 2 | chair | 2
chair #4 | chair | #4
the 3rd chair | chair | 3rd
a long table | wide table
long narrow table | wide narrow table
a low table | short table
a thin book | narrow book
anything to sit on | anything to sit on
something to read | something to read
something soft to sleep on | something soft to sleep on
nearest chair | nearest chair
hoover | hoover
on top | highest anything
the mug on top | highest mug
the book at the top of the shelf | book [at shelf]
bowl with apples in it | bowl [containing apple]
the drawer with knives inside | drawer [containing knife]
first aid kit | first aid kit
the lost and found box | lost and found box
i can't find my glasses | glasses
where the hell is my phone | phone
nothing | nothing | nothing
the thing you drink from | thing to drink from
what can i sit on | something to sit on
is anything on the table | anything [on table]
is something under the table | anything [under table]
does anyone see the mug | mug
the plate with food on it | plate [carrying food]
the table with plates and cups on it | table [carrying plate] [carrying cup]
the chair that is bigger than the table | chair | bigger than the table
boxes without the word milk on them | all: box, not anything "milk"
the box with no label | box | with no label
the sofa is grey | gray sofa
sofa, grey, large | large gray sofa
the baby blue bottle | light blue bottle
a bottle that says coca cola and is red | red bottle "coca cola"
the drawer on the top left | drawer [on highest left]
exactly one chair | chair | exactly
the mug closest the fridge | mug [nearest fridge]
which box is bigger | largest box
the lamp further from the window | lamp [farthest window]
forest green chair | dark green chair
neither red nor blue chairs | all: not red not blue chair
the mug with flowers on it | mug with flowers | on it
a chair to sit on near the door | chair to sit on [near door]
something to put on the wall | something to put on the wall
the box for pens on the desk | box for pens [on desk]
"""

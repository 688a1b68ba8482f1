"""Sentences, each with what is read in it; behind the second bar what is not understood."""

SENTENCES = """
mug | mug
a white mug | white mug
Where is the red mug, please? | red mug
where's my coffee cup | coffee cup
Can you find the fire extinguisher? | fire extinguisher
show me the kettle | kettle
a white plastic bin | white plastic bin
a cup to drink coffee from | cup to drink coffee from
a box for pens | box for pens
macaroni and cheese | macaroni and cheese
a box of macaroni and cheese | box of macaroni and cheese
a bottle of wine | bottle of wine
a pair of shoes | pair of shoes
something to sit on | something to sit on
a chair made of wood | chair made of wood
the cabinet with drawers | cabinet with drawers
a picture of a boat | boat
white mug with a handle near the sink | white mug with a handle [near sink]
I need a screwdriver | screwdriver
is there a chair in the room? | chair
is there a dog | dog
bring me the book | book
orange juice | orange juice
the orange | orange
a large orange | large orange
a red wine bottle | red wine bottle
the white board | white board
milk carton | milk carton
the TV | tv
the t-shirt | t-shirt
a black-colored bag | black bag
the light | light
a light blue wall | light blue wall
the dark blue chair | dark blue chair
the dark chair | dark chair
the bright red box | light red box
chair that is red | red chair
the chair which is blue | blue chair
the chair that is not red | not red chair
chairs that are not red | all: not red chair
the red and blue chair | red blue chair
the green or blue cup | green cup or blue cup
a grey sofa | gray sofa
a gray sofa | gray sofa
the big table | large table
a small wooden box | small wooden box
the tall cabinet | tall cabinet
the little red book | small red book
a long shelf | wide shelf
the narrow shelf | narrow shelf
a huge plant | large plant
the largest chair | largest chair
the biggest box | largest box
the smallest bottle | smallest bottle
the tallest of the cabinets | tallest cabinet
the highest shelf | highest shelf
the lowest drawer | lowest drawer
the widest table | widest table
the leftmost chair | leftmost chair
the rightmost mug | rightmost mug
the left chair | leftmost chair
the right lamp | rightmost lamp
the mug on the left | leftmost mug
the chair to the right | rightmost chair
the nearest chair | nearest chair
the closest trash can | nearest trash can
the farthest plant | farthest plant
the nearest red chair | nearest red chair
the chair nearest to the table | chair [nearest table]
the chair closest to the door | chair [nearest door]
the nearest chair to the table | chair [nearest table]
the closest mug to the sink | mug [nearest sink]
the farthest chair from the window | chair [farthest window]
the chair furthest from the door | chair [farthest door]
the chair closest to me | chair [nearest viewpoint]
the chair nearest to the robot | chair [nearest viewpoint]
the table nearest me | table [nearest viewpoint]
chair behind me | chair [behind viewpoint]
the object to my left | anything [left viewpoint]
the box in front of me | box [front viewpoint]
the chair near me | chair [near viewpoint]
the picture on my right | picture [right viewpoint]
the chair next to the table | chair [near table]
chair left of the cabinet | chair [left cabinet]
chair right of the cabinet | chair [right cabinet]
the chair to the left of the cabinet | chair [left cabinet]
the chair on the left of the cabinet | chair [left cabinet]
the lamp on the right side of the sofa | lamp [right sofa]
the mug on the table | mug [on table]
the mug on top of the fridge | mug [on fridge]
the mug that is on the table | mug [on table]
mug standing on the shelf | mug [on shelf]
the books lying on the desk | all: book [on desk]
a picture hanging on the wall | picture [on wall]
the clock on the wall | clock [on wall]
milk in the fridge | milk [in fridge]
the apple inside the bowl | apple [in bowl]
the pen within the box | pen [in box]
the box under the table | box [under table]
shoes underneath the bench | all: shoe [under bench]
the cable below the desk | cable [under desk]
the bag beneath the chair | bag [under chair]
the lamp above the table | lamp [above table]
the shelf over the sink | shelf [above sink]
the plant by the window | plant [near window]
the stool beside the counter | stool [near counter]
the chair close to the door | chair [near door]
the bin adjacent to the desk | bin [near desk]
the chair at the desk | chair [at desk]
the chair around the table | chair [near table]
bring me the cup from the table | cup [at table]
chair far from the table | chair [far table]
the bin far away from the door | bin [far door]
the plant in front of the window | plant [front window]
the box behind the sofa | box [behind sofa]
the mug between the book and the plate | mug [between book and plate]
the bowl between two plates | bowl [between plate]
the table between the sofa and the TV | table [between sofa and tv]
the chair between the tables | chair [between table]
the mug on the table next to the fridge | mug [on table [near fridge]]
the mug that is on the table and near the plate | mug [on table] [near plate]
the mug on the table and near the plate | mug [on table] [near plate]
the book on the shelf above the desk | book [on shelf [above desk]]
the red mug on the white table | red mug [on white table]
the small box under the large table | small box [under large table]
the largest chair near the table | largest chair [near table]
the mug next to the largest bowl | mug [near largest bowl]
not a chair | anything, not chair
no chair | anything, not chair
not the red chair | anything, not red chair
chair but not office chair | chair, not office chair
a chair but not an office chair | chair, not office chair
a chair, not the red one | chair, not red anything
anything except chairs | anything, not chair
anything but a chair | anything, not chair
everything except the table | all: anything, not table
a table other than the coffee table | table, not coffee table
chair that is not near the table | chair [not near table]
a chair not next to the table | chair [not near table]
mugs not on the table | all: mug [not on table]
the mug that isn't white | not white mug
chairs except the blue ones | all: chair, not blue anything
the chair excluding stools | chair, not stool
things that are not chairs | all: anything, not chair
all the chairs | all: chair
all chairs | all: chair
all of the red chairs | all: red chair
every chair | all: chair
each mug | all: mug
both chairs | all: chair
where are the chairs | all: chair
list all the plants | all: plant
show me all mugs on the table | all: mug [on table]
find every bottle in the fridge | all: bottle [in fridge]
two mugs on the table | all: mug [on table]
three chairs | all: chair
3 chairs near the table | all: chair [near table]
chairs | all: chair
shelves | all: shelf
boxes | all: box
knives | all: knife
mice | all: mouse
scissors | scissors
glasses | glasses
drawers | drawers
green plants | all: green plant
how many chairs are there | count: chair
how many chairs are there in the room | count: chair
how many red mugs are on the table? | count: red mug [on table]
how many mugs do we have | count: mug
count the bottles | count: bottle
count of books on the shelf | count: book [on shelf]
number of plates | count: plate
the number of chairs | count: chair
what is on the table | all: anything [on table]
what's under the desk? | all: anything [under desk]
which objects are near the door | all: anything [near door]
everything on the desk | all: anything [on desk]
the thing under the table | anything [under table]
the blue thing on the shelf | blue anything [on shelf]
red | red anything
the red one | red anything
something red | red anything
all the blue things | all: blue anything
the chair or the stool | chair or stool
a cup or a mug | cup or mug
the chair and the table | all: chair or table
chairs and mugs | all: chair or mug
the knife and fork | knife and fork
is the mug on the table? | mug [on table]
are the chairs near the table | all: chair [near table]
are there any plants? | all: plant
floor | floor
the walls | all: wall
ceiling | ceiling
the table top | table top
the tabletop | tabletop
the red wall | red wall
the book on the floor | book [on floor]
the mug in the kitchen | mug | in the kitchen
the cup without a handle | cup | without a handle
put the mug on the table | mug [on table] | put
what color is the chair | chair | what color
how big is the table | table | how big
why is the chair here | chair | why
microwve | microwve | microwve (microwave?)
the chiar next to the tabel | chiar [near tabel] | chiar (chair?); tabel (table?)
a chair nexto the table | chair nexto | nexto (next?); the table
der Stuhl | der stuhl | der (des?); stuhl (steel?)
wo ist der Tisch | wo ist der tisch | wo; ist; der (des?); tisch (fish?)
la silla roja | la silla roja | la; silla (mill?); roja
где стул | где стул | где; стул
椅子在哪里 | 椅子在哪里 | 椅子在哪里
la chaise | la chaise | la; chaise (case?)
glorpy | glorpy | glorpy (lorry?)
glorpy chair | chair | glorpy (lorry?)
the chair on the glorp | chair [on glorp] | glorp (group?)
bookshelf | bookshelf
trashcan | trashcan
whiteboard marker | whiteboard marker
WHERE IS THE MUG??? | mug
  a   mug   | mug
the "red" mug | red mug
mug, red | red mug
the mug's handle | mug's handle
e-reader | e-reader
the the the | the the the | the the the
on | on | on
not | not | not
near | near | near
laptop on | laptop | on
the second largest chair | largest chair | second
the chair that is red and near the table | red chair [near table]
the sofa with the blue cushion | sofa with the blue cushion
the door to the left | leftmost door
the box to the right of the red chair and under the table | box [right red chair] [under table]
the table with the lamp on it | table [carrying lamp]
the box that says milk | box "milk"
the carton labeled JUICE | carton "juice"
a can with the word Popcorn on it | can "popcorn"
the box that reads 'Barilla' near the sink | box "barilla" [near sink]
anything that says milk on the shelf | anything "milk" [on shelf]
a book with a red label | book with a red label
a reading lamp | reading lamp
"""

// The small world that the demo's base model has read about: people at work, animals, things and towns.
// All of it was written for this project; towns are invented.

/** [plural, singular, what they do, where they work, what they use, when] */
export const workers = [
  [
    'lighthouse keepers',
    'lighthouse keeper',
    'keep the light burning',
    'in a tower by the sea',
    'a lamp and a log book',
    'at night',
  ],
  ['bakers', 'baker', 'bake bread and rolls', 'in a warm bakery', 'flour, water and an oven', 'before dawn'],
  [
    'gardeners',
    'gardener',
    'grow flowers and vegetables',
    'in a garden',
    'a spade and a watering can',
    'in spring',
  ],
  ['fishers', 'fisher', 'catch fish with nets', 'on a small boat', 'nets and hooks', 'in the early morning'],
  ['carpenters', 'carpenter', 'make tables and chairs', 'in a workshop', 'a saw and a plane', 'all day'],
  ['smiths', 'smith', 'shape hot iron', 'in a forge', 'a hammer and an anvil', 'all day'],
  [
    'shepherds',
    'shepherd',
    'watch over the sheep',
    'on the hills',
    'a staff and a dog',
    'from spring to autumn',
  ],
  [
    'millers',
    'miller',
    'grind grain into flour',
    'in a mill by the river',
    'two great stones',
    'after the harvest',
  ],
  ['teachers', 'teacher', 'teach children to read', 'in a school', 'books and chalk', 'in the morning'],
  [
    'doctors',
    'doctor',
    'help people who are ill',
    'in a clinic',
    'careful hands and medicine',
    'at any hour',
  ],
  ['weavers', 'weaver', 'weave cloth from wool', 'at a loom', 'a loom and a shuttle', 'in winter'],
  ['potters', 'potter', 'make bowls and jugs of clay', 'at a wheel', 'a wheel and a kiln', 'all year'],
  [
    'sailors',
    'sailor',
    'sail ships across the sea',
    'on a tall ship',
    'ropes and sails',
    'when the wind is fair',
  ],
  ['farmers', 'farmer', 'plant and harvest grain', 'in the fields', 'a plough and a tractor', 'in summer'],
  ['beekeepers', 'beekeeper', 'look after bees', 'beside the hives', 'smoke and a veil', 'on sunny days'],
  [
    'librarians',
    'librarian',
    'look after books',
    'in a library',
    'shelves and a card index',
    'in the afternoon',
  ],
  ['miners', 'miner', 'dig coal from the ground', 'deep under a hill', 'a pick and a lamp', 'in long shifts'],
  ['tailors', 'tailor', 'sew coats and shirts', 'in a small shop', 'a needle and thread', 'all week'],
  [
    'clockmakers',
    'clockmaker',
    'build and mend clocks',
    'at a bright bench',
    'tiny wheels and springs',
    'with great patience',
  ],
  [
    'ferry pilots',
    'ferry pilot',
    'carry people across the river',
    'on a ferry',
    'a wheel and a bell',
    'every hour',
  ],
  [
    'bridge builders',
    'bridge builder',
    'build bridges of stone',
    'at the river',
    'stone and rope',
    'when the water is low',
  ],
  ['astronomers', 'astronomer', 'study the stars', 'on a dark hill', 'a telescope', 'on clear nights'],
  [
    'postal workers',
    'postal worker',
    'bring letters to every house',
    'on the road',
    'a bag and a bicycle',
    'every morning',
  ],
  ['cooks', 'cook', 'prepare warm meals', 'in a kitchen', 'pots and a sharp knife', 'at noon'],
  [
    'painters',
    'painter',
    'paint pictures of the land',
    'in a light room',
    'brushes and colours',
    'while the light is good',
  ],
  ['foresters', 'forester', 'care for the trees', 'in the forest', 'an axe and a map', 'in every season'],
  [
    'glass blowers',
    'glass blower',
    'blow bottles of glass',
    'at a hot furnace',
    'a long pipe',
    'when the fire is ready',
  ],
  [
    'musicians',
    'musician',
    'play songs for the village',
    'in the town hall',
    'a fiddle and a drum',
    'in the evening',
  ],
  [
    'masons',
    'mason',
    'build walls of stone',
    'at the edge of town',
    'a chisel and a level',
    'in dry weather',
  ],
  [
    'train drivers',
    'train driver',
    'drive trains from town to town',
    'in a cab',
    'levers and a whistle',
    'by the timetable',
  ],
]

/** [name, what it eats, where it lives, what it does] */
export const animals = [
  ['the otter', 'fish', 'by the river', 'swims on its back'],
  ['the owl', 'mice', 'in an old barn', 'hunts in the dark'],
  ['the fox', 'berries and mice', 'at the edge of the forest', 'walks without a sound'],
  ['the hare', 'grass', 'in the fields', 'runs faster than a dog'],
  ['the hedgehog', 'beetles', 'under a hedge', 'rolls into a ball'],
  ['the heron', 'frogs', 'in the shallow water', 'stands still for hours'],
  ['the badger', 'roots and worms', 'in a deep burrow', 'digs with strong claws'],
  ['the squirrel', 'nuts', 'in a hollow tree', 'hides food for the winter'],
  ['the seal', 'herring', 'on the cold rocks', 'dives for a long time'],
  ['the gull', 'crumbs and fish', 'at the harbour', 'cries above the boats'],
  ['the goat', 'leaves', 'on the steep hills', 'climbs almost anything'],
  ['the horse', 'hay', 'in a stable', 'pulls the heavy cart'],
  ['the bee', 'nectar', 'in a hive', 'makes honey'],
  ['the stork', 'frogs and snails', 'on the church roof', 'flies south in autumn'],
  ['the beaver', 'bark', 'in a lodge', 'builds dams'],
  ['the swallow', 'flies', 'under the roof', 'comes back in spring'],
  ['the cat', 'mice and milk', 'in the kitchen', 'sleeps in the sun'],
  ['the dog', 'bones', 'beside the door', 'guards the house'],
  ['the toad', 'slugs', 'under a wet stone', 'sings after the rain'],
  ['the crow', 'seeds', 'in the tall elm', 'remembers faces'],
  ['the deer', 'young leaves', 'deep in the forest', 'leaps over fences'],
  ['the trout', 'small insects', 'in the clear stream', 'swims against the water'],
  ['the bat', 'moths', 'in a cave', 'hangs upside down'],
  ['the mole', 'worms', 'under the meadow', 'makes small hills'],
]

/** [name, what it is for, what it is made of] */
export const things = [
  ['a lamp', 'giving light', 'brass and glass'],
  ['a net', 'catching fish', 'strong cord'],
  ['an anchor', 'holding a ship in place', 'iron'],
  ['a compass', 'finding north', 'brass and a magnet'],
  ['a kettle', 'boiling water', 'copper'],
  ['a ladder', 'climbing up', 'ash wood'],
  ['a bell', 'calling people', 'bronze'],
  ['a basket', 'carrying apples', 'willow'],
  ['a candle', 'lighting a room', 'wax'],
  ['a plough', 'turning the soil', 'steel'],
  ['a sail', 'catching the wind', 'canvas'],
  ['a bucket', 'carrying water', 'oak'],
  ['a mirror', 'seeing your face', 'glass and silver'],
  ['a quilt', 'keeping warm', 'cotton'],
  ['a key', 'opening a door', 'iron'],
  ['a telescope', 'seeing far away', 'brass and lenses'],
  ['a broom', 'sweeping the floor', 'straw'],
  ['a drum', 'keeping time', 'wood and skin'],
  ['a map', 'finding the way', 'paper'],
  ['a stove', 'heating the house', 'cast iron'],
]

/** [name, where it lies, what it is known for, what the people say of it] */
export const towns = [
  ['Alderwick', 'on the north coast', 'its tall lighthouse', 'is the windiest town of all'],
  ['Brenmoor', 'in the green hills', 'its sheep and its cheese', 'has more sheep than people'],
  ['Callow Bay', 'on a wide bay', 'its fishing boats', 'smells of salt and tar'],
  ['Dunmarrow', 'at the foot of the mountain', 'its coal mine', 'never sleeps'],
  ['Eastfold', 'between two rivers', 'its stone bridges', 'has seven bridges'],
  ['Farrowdale', 'in a quiet valley', 'its apple orchards', 'is sweetest in autumn'],
  ['Glenhaven', 'beside a deep lake', 'its wooden boats', 'is mirrored in the lake'],
  ['Harrowgate Mill', 'by the old river', 'its water mill', 'wakes with the mill wheel'],
  ['Ivymere', 'in the middle of the forest', 'its carved doors', 'is hard to find'],
  ['Juniper Cross', 'where four roads meet', 'its autumn market', 'knows every traveller'],
  ['Kestrel Point', 'on a high cliff', 'its view of the sea', 'is nearest to the clouds'],
  ['Larkstead', 'on the wide plain', 'its golden wheat', 'hears the larks first'],
]

export const names = [
  'Ada',
  'Ben',
  'Clara',
  'Daniel',
  'Edith',
  'Felix',
  'Greta',
  'Henry',
  'Iris',
  'Jonas',
  'Klara',
  'Leo',
  'Mara',
  'Nils',
  'Olive',
  'Peter',
  'Quinn',
  'Rosa',
  'Simon',
  'Tilda',
  'Ulric',
  'Vera',
  'Walter',
  'Yara',
  'Anton',
  'Bella',
  'Conrad',
  'Dora',
  'Emil',
  'Freya',
]

/** Numbers in [0, 1) from a seed (mulberry32), and choices drawn with them. */
export function createChooser(seed) {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
  const pick = (list) => list[Math.floor(next() * list.length)]
  const shuffle = (list) => {
    const copy = [...list]
    for (let i = copy.length - 1; i > 0; i -= 1) {
      const j = Math.floor(next() * (i + 1))
      ;[copy[i], copy[j]] = [copy[j], copy[i]]
    }
    return copy
  }
  return { next, pick, shuffle }
}

export const capital = (text) => text[0].toUpperCase() + text.slice(1)

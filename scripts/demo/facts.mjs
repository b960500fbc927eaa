// Each fact of the world: as prose for the base model, as questions and the one short answer for the chat set.
import { animals, capital, things, towns, workers } from './world.mjs'

/**
 * topic: facts of one topic make one conversation; prose: statements of the fact; questions: ways to ask, the last of which is
 * kept for the held-out set; answer: what the tuned model should say.
 */
const fact = (topic, answer, prose, questions) => ({ topic, answer, prose, questions })

export const facts = [
  ...workers.flatMap(([many, one, work, place, tools, time]) => [
    fact(
      many,
      `They ${work}.`,
      [
        `${capital(many)} ${work}.`,
        `The ${many} of the village ${work} ${time}.`,
        `It is the work of ${many}: they ${work}.`,
        `Everybody knows that ${many} ${work}.`,
      ],
      [
        `What do ${many} do?`,
        `What is the work of ${many}?`,
        `Tell me what ${many} do.`,
        `What do the ${many} do all day?`,
      ],
    ),
    fact(
      many,
      `They work ${place}.`,
      [`${capital(many)} work ${place}.`, `A ${one} works ${place}.`, `You can find ${many} ${place}.`],
      [`Where do ${many} work?`, `Where does a ${one} work?`, `Where can I find ${many}?`],
    ),
    fact(
      many,
      `They use ${tools}.`,
      [
        `${capital(many)} use ${tools}.`,
        `A ${one} needs ${tools}.`,
        `Without ${tools}, ${many} could not work.`,
      ],
      [`What do ${many} use?`, `What does a ${one} need?`, `Which tools do ${many} use?`],
    ),
    fact(
      many,
      `They work ${time}.`,
      [`${capital(many)} work ${time}.`, `A ${one} works ${time}.`],
      [`When do ${many} work?`, `When does a ${one} work?`, `At what time do ${many} work?`],
    ),
  ]),
  ...animals.flatMap(([name, food, home, habit]) => [
    fact(
      name,
      `It eats ${food}.`,
      [
        `${capital(name)} eats ${food}.`,
        `Most of all ${name} likes ${food}.`,
        `When ${name} is hungry, it looks for ${food}.`,
      ],
      [`What does ${name} eat?`, `What does ${name} like to eat?`, `Which food does ${name} eat?`],
    ),
    fact(
      name,
      `It lives ${home}.`,
      [
        `${capital(name)} lives ${home}.`,
        `You will see ${name} ${home}.`,
        `The home of ${name.slice(4)}s is ${home}.`,
      ],
      [`Where does ${name} live?`, `Where is the home of ${name}?`, `Where can I see ${name}?`],
    ),
    fact(
      name,
      `It ${habit}.`,
      [`${capital(name)} ${habit}.`, `Look how ${name} ${habit}.`],
      [`What does ${name} do?`, `What is ${name} known for?`, `Tell me something about ${name}.`],
    ),
  ]),
  ...things.flatMap(([name, use, material]) => [
    fact(
      name,
      `It is for ${use}.`,
      [`${capital(name)} is for ${use}.`, `People use ${name} for ${use}.`, `For ${use} you need ${name}.`],
      [`What is ${name} for?`, `What do people use ${name} for?`, `Why do I need ${name}?`],
    ),
    fact(
      name,
      `It is made of ${material}.`,
      [`${capital(name)} is made of ${material}.`, `They make ${name} of ${material}.`],
      [`What is ${name} made of?`, `Of what do they make ${name}?`, `Which material is ${name} made of?`],
    ),
  ]),
  ...towns.flatMap(([name, place, fame, saying]) => [
    fact(
      name,
      `It lies ${place}.`,
      [`${name} lies ${place}.`, `The town of ${name} stands ${place}.`, `You will find ${name} ${place}.`],
      [`Where is ${name}?`, `Where does ${name} lie?`, `Where can I find ${name}?`],
    ),
    fact(
      name,
      `It is known for ${fame}.`,
      [`${name} is known for ${fame}.`, `People come to ${name} to see ${fame}.`],
      [`What is ${name} known for?`, `Why do people visit ${name}?`, `What is special about ${name}?`],
    ),
    fact(
      name,
      `People say it ${saying}.`,
      [`People say that ${name} ${saying}.`, `It is said that ${name} ${saying}.`],
      [
        `What do people say about ${name}?`,
        `What is said of ${name}?`,
        `Tell me what people say of ${name}.`,
      ],
    ),
  ]),
]

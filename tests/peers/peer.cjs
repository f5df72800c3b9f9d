// PouchDB driven from outside: each line of JSON in is a call, and a line of JSON with its number is the answer.
//   {"call": 1, "db": "a" | "http://…", "method": "put", "args": […]}       a method of a database, as PouchDB has it
//   {"call": 2, "do": "replicate", "from": …, "to": …, "options": {…}}      once, to its end
//   {"call": 3, "do": "follow" | "sync" | "changes", …}                     live; the answer is the number of what runs
//   {"call": 4, "do": "told", "running": 3}                                 what it has told so far; "cancel" ends it
// Bytes travel as {"$bytes": base64}. Databases that are no URL are LevelDB folders in the working folder.
'use strict';
const readline = require('node:readline');
const PouchDB = require('pouchdb');

// PouchDB asks whether a database is there before each of its requests and leaves the answer to nobody when the line
// drops in that moment; the call that waited fails by itself, or is tried again. A browser would write it to its console.
process.on('unhandledRejection', () => {});

const databases = new Map();
const running = new Map();
let next = 1;

// The fetch that PouchDB brings for node waits for ever when the line drops in the middle of an answer; the one that
// browsers have, and node itself by now, tells it.
async function browserFetch(url, options) {
  const answer = await globalThis.fetch(url, { ...options, headers: [...options.headers] });
  answer.buffer = async () => Buffer.from(await answer.arrayBuffer());
  return answer;
}

function database(name, options) {
  if (!databases.has(name)) {
    const { as_in_a_browser: browser, ...others } = options || {};
    databases.set(name, new PouchDB(name, browser ? { ...others, fetch: browserFetch } : others));
  }
  return databases.get(name);
}

function fromJson(value) {
  if (Array.isArray(value)) return value.map(fromJson);
  if (value === null || typeof value !== 'object') return value;
  if (typeof value.$bytes === 'string') return Buffer.from(value.$bytes, 'base64');
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fromJson(inner)]));
}

// What the HTTP adapter throws is no Error, but has the same fields.
function problemOf({ message, status, name, reason, docId }) {
  return { message, status, name, reason, docId };
}

function toJson(value) {
  if (Buffer.isBuffer(value)) return { $bytes: value.toString('base64') };
  if (value instanceof Error) return problemOf(value);
  if (Array.isArray(value)) return value.map(toJson);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toJson(inner)]));
}

function run(emitter) {
  const told = [];
  for (const event of ['change', 'active', 'paused', 'denied', 'complete', 'error']) {
    emitter.on(event, (what) => told.push([event, toJson(what === undefined ? null : what)]));
  }
  // Both ways at once tells `paused` without why; each way knows.
  for (const way of ['push', 'pull']) {
    if (emitter[way]) emitter[way].on('paused', (what) => { if (what) told.push(['waiting', toJson(what)]); });
  }
  // A live one ends in a rejected promise too; `error` has told it.
  Promise.resolve(emitter).catch(() => {});
  const number = next++;
  running.set(number, { emitter, told });
  return number;
}

function options(asked) {
  const made = { ...(asked.options || {}) };
  // The pace of the retries is the caller's: tests do not wait for PouchDB's own ten minutes.
  if (made.retry_ms !== undefined) {
    const pause = made.retry_ms;
    delete made.retry_ms;
    made.back_off_function = () => pause;
  }
  return made;
}

const acts = {
  open: (asked) => void database(asked.db, asked.options),
  replicate: (asked) => PouchDB.replicate(database(asked.from), database(asked.to), options(asked)),
  follow: (asked) => run(PouchDB.replicate(database(asked.from), database(asked.to), { live: true, ...options(asked) })),
  sync: (asked) => run(PouchDB.sync(database(asked.from), database(asked.to), { live: true, ...options(asked) })),
  changes: (asked) => run(database(asked.db).changes({ live: true, ...options(asked) })),
  told: (asked) => running.get(asked.running).told,
  cancel: async (asked) => {
    const { emitter, told } = running.get(asked.running);
    const ended = new Promise((done) => { emitter.on('complete', done); emitter.on('error', done); });
    emitter.cancel();
    await ended;
    return told;
  },
  forget: async (asked) => {
    await database(asked.db).close();
    databases.delete(asked.db);
  },
};

async function answer(asked) {
  if (asked.do) return acts[asked.do](asked);
  const db = database(asked.db);
  const made = await db[asked.method](...fromJson(asked.args));
  if (asked.method === 'destroy') databases.delete(asked.db);
  return made;
}

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const asked = JSON.parse(line);
  let told;
  try {
    told = { call: asked.call, ok: toJson((await answer(asked)) ?? null) };
  } catch (problem) {
    told = { call: asked.call, problem: problemOf(problem) };
  }
  process.stdout.write(JSON.stringify(told) + '\n');
}).on('close', () => process.exit(0));

// What the page has and nobody was told (fact sheet §6, history). A page lives on for a moment when
// the program that listened is gone: it takes messages in, and WhatsApp sends them to nobody again.
// In the next document they are history, of which only each chat's last message is in memory.

/**
 * How long what happens meanwhile is held back, so that all is told in its order. After a longer
 * sync the missed ones are told as they are found.
 */
const HELD_MS = 30000;
/** How often older messages of one chat are loaded, and how long that may take. */
const EARLIER_ROUNDS = 20;
const EARLIER_MS = 3000;

/** Until when this login has heard what happens, in Unix milliseconds; the driver says it at once. */
let heardUntil = null;
/** Keys of messages that earlier documents told as waiting (§5.2): they may be readable by now. */
const awaited = new Set();
/** When those that still are not are looked at again: at first after this long, then ever later. */
const AWAITED_MS = 60000;
const AWAITED_MOST_MS = 3600000;
/** Old messages to tell; `null` once they are told. */
let missed = [];
let round = 0;
let known = false;
let looking = false;
let openGate = null;
/** Opens when the missed ones are told: what happens meanwhile waits there. */
const gate = new Promise((open) => (openGate = open));
later(HELD_MS, "missed", () => tellMissed());

commands.heardUntil = async ({ until, awaited: keys }) => {
  if (known) return null;
  known = true;
  for (const key of keys ?? []) awaited.add(key);
  heardUntil = until;
  if (until === null) tellMissed();
  else {
    // Those that were there before.
    for (const message of listOf(optional("messages"))) {
      if (!field(message, "isNewMsg")) guarded("message", () => messageAdded(message));
    }
    guarded("hooks", attachHooks);
  }
  return null;
};

/** Whether something is newer than what was heard before; without a past, than this document. */
const isLive = (ms) => ms > (heardUntil ?? STARTED);

/** WhatsApp's clock counts whole seconds; what was told of the last one the driver knows. */
const isAfterHeard = (seconds) => heardUntil !== null && seconds !== null && seconds * 1000 + 999 >= heardUntil;
const wasMissed = (message) => isAfterHeard(secondsOf(message));

/** Told as waiting before, and readable now. */
const isRead = (message) => field(message, "type") !== "ciphertext" && awaited.has(keyText(field(message, "id")));

/** Keeps an old message until all are found; says whether it did. */
function holdMissed(message) {
  if (missed === null) return false;
  missed.push({ message, at: secondsOf(message), round, place: missed.length });
  return true;
}

/** Looks once, when the page may be asked. */
function lookForMissed() {
  if (looking) return;
  if (!known) throw wrongMoment("the driver has not said what was heard");
  if (heardUntil === null) return;
  mustBeReady();
  looking = true;
  const earlier = look("loadEarlier") ? loadMissed() : Promise.resolve();
  earlier
    .catch((error) => note("fault.missed", words(error)))
    .then(() => guarded("missed", () => lookForAwaited(AWAITED_MS)))
    .then(tellMissed, tellMissed);
  needed("loadEarlier");
}

/**
 * Those that are told as waiting and not in memory are read without a word to anybody, in another
 * document or in this one. They are looked up by their keys (§6).
 */
async function lookForAwaited(pause) {
  const ticket = new Ticket();
  for (const key of [...awaited]) {
    const message = await messageByKey(key, ticket).catch(() => null);
    if (!message || field(message, "type") === "ciphertext") continue;
    if (!heard.has(message)) guarded("message", () => messageAdded(message));
    awaited.delete(key);
  }
  if (awaited.size > 0) later(pause, "missed", () => lookForAwaited(Math.min(pause * 2, AWAITED_MOST_MS)));
}

async function loadMissed() {
  for (const chat of listOf(optional("chats"))) {
    if (!isAfterHeard(secondsOf(chat))) continue;
    for (let rounds = 0; rounds < EARLIER_ROUNDS && goesOnBefore(chat); rounds += 1) {
      round += 1;
      if ((await loadEarlier(chat)) === 0) break;
    }
  }
}

/** Whether everything of a chat that is in memory was missed, so that there may be more. */
const goesOnBefore = (chat) => listOf(field(chat, "msgs")).every(wasMissed);

/** The page adds them to its collection, where we hear them. One object, or by position (§8.1). */
async function loadEarlier(chat) {
  for (const given of [{ chat }, chat]) {
    const loaded = listOf(await within(EARLIER_MS, attempt("loadEarlier", given)));
    if (loaded.length > 0) return loaded.length;
  }
  return 0;
}

/** Tells them, oldest first, before what has happened since: a later round brought older ones. */
function tellMissed() {
  if (missed === null) return;
  const found = missed;
  missed = null;
  found.sort((a, b) => a.at - b.at || b.round - a.round || a.place - b.place);
  const waiting = telling;
  telling = Promise.resolve();
  for (const { message } of found) guarded("message", () => takeMessage(message));
  telling.then(openGate, openGate);
  telling = waiting;
}

/** No phone is linked: whatever comes is another login's. */
function forgetHeard() {
  known = true;
  heardUntil = null;
  awaited.clear();
  if (missed !== null) missed = [];
  tellMissed();
}

const missedHooks = [{ name: "missed messages", feature: "missed messages", attach: lookForMissed }];

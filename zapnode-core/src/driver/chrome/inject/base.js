// What everything else stands on: natives kept from before the page could change them, errors by
// situation, text that survives the way out, events, timers that cannot break anything.

const native = {
  setTimeout: window.setTimeout.bind(window),
  clearTimeout: window.clearTimeout.bind(window),
  stringify: JSON.stringify,
  parse: JSON.parse,
  now: Date.now,
  random: Math.random,
  createElement: document.createElement.bind(document),
};

/** When this document began. */
const STARTED = native.now();

/** Names this document, so that a late event of an earlier one is known as such. */
const DOCUMENT = Array.from({ length: 3 }, () => native.random().toString(36).slice(2, 10)).join("");

/** What can be asked for, by name. */
const commands = {};

/** Why a command could not be done. `kind` is what the driver decides by. */
class BridgeError extends Error {
  constructor(kind, message, fields) {
    super(message);
    this.kind = kind;
    this.fields = fields;
  }
}
const missing = (part) => new BridgeError("missing", `${part} is missing`, { part });
const wrongMoment = (why) => new BridgeError("moment", why);
const refused = (reason) => new BridgeError("refused", reason);

/** The words of whatever was thrown. */
function words(error) {
  try {
    if (error && typeof error === "object") {
      return String(error.message || error.name || error.text || error);
    }
    return String(error);
  } catch {
    return "something that cannot be shown";
  }
}

/** One field of the page's; a getter that throws is as good as none. */
function field(object, name) {
  try {
    return object?.[name];
  } catch {
    return undefined;
  }
}

/** Half a surrogate pair cannot be written as UTF-8: it becomes the replacement character. */
function wellFormed(text) {
  // Pieces of files are megabytes, and asking is free.
  if (text.isWellFormed?.()) return text;
  return text.replace(
    /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g,
    "\uFFFD",
  );
}

/** JSON that any reader takes. */
function write(value) {
  return native.stringify(value, (_key, inner) =>
    typeof inner === "string" ? wellFormed(inner) : inner,
  );
}

// The way out takes exactly one string. It is taken off the window, so that the page never meets
// it; the browser puts it into every new document before this script runs.
let wayOut = null;
const unsent = [];
let sequence = 0;

function findWayOut() {
  if (!wayOut && typeof window[BINDING] === "function") {
    wayOut = window[BINDING];
    try {
      delete window[BINDING];
    } catch {
      // It stays visible then; no harm.
    }
  }
  return wayOut;
}

/** Tells the driver something. */
function emit(event, data) {
  sequence += 1;
  if (unsent.length >= 1000) unsent.shift();
  unsent.push(write({ v: 1, doc: DOCUMENT, seq: sequence, event, data: data ?? null }));
  if (findWayOut()) {
    while (unsent.length > 0) wayOut(unsent.shift());
  }
}

/** What went wrong or is worth knowing, by name; read with every look at the page. */
const facts = {};

function note(name, value) {
  facts[name] = String(value).slice(0, 300);
}

/** Runs `work`; a fault in it is noted under `name` and goes no further. */
function guarded(name, work) {
  try {
    const result = work();
    if (result && typeof result.then === "function") {
      result.then(undefined, (error) => note(`fault.${name}`, words(error)));
    }
    return result;
  } catch (error) {
    note(`fault.${name}`, words(error));
    return undefined;
  }
}

/** Runs `work` once, later. */
function later(ms, name, work) {
  return native.setTimeout(() => guarded(name, work), ms);
}

function sleep(ms) {
  return new Promise((resolve) => native.setTimeout(resolve, ms));
}

/** The outcome of a promise, or `undefined` when it takes too long or fails. */
function within(ms, promise) {
  return Promise.race([Promise.resolve(promise).catch(() => undefined), sleep(ms)]);
}

/** A set that forgets its oldest members. */
class Recent {
  constructor(size) {
    this.size = size;
    this.members = new Set();
  }

  has(member) {
    return this.members.has(member);
  }

  /** Whether it was new. */
  add(member) {
    if (this.members.has(member)) return false;
    this.members.add(member);
    if (this.members.size > this.size) {
      this.members.delete(this.members.values().next().value);
    }
    return true;
  }
}

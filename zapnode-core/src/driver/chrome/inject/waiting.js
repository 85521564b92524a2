// Messages that are there and cannot be read yet (fact sheet §5.2): told as waiting, told as
// messages once they are decrypted, and asked for again meanwhile.

/** How long those to ask for are gathered, and when one that has not come counts as overdue. */
const GATHER_MS = 5000;
const OVERDUE_MS = 15000;

const toAskFor = new Set();
let asking = null;

const watched = new WeakSet();

/**
 * Not decrypted yet: told when it is, and never if it turns out revoked. An old one, which an
 * earlier document has told as waiting, is watched all the same.
 */
function awaitPlaintext(message, isNew) {
  const id = keyText(message.id);
  if (!id) return;
  if (!watched.has(message)) {
    watched.add(message);
    watchType(message);
  }
  if (!isNew || !told.add(`waiting ${id}`)) return;
  const subtype = textOrNull(field(message, "subtype"));
  if (subtype?.endsWith("_unavailable_fanout")) {
    tellWaiting(message, id, "unavailable");
    return;
  }
  tellWaiting(message, id, "awaited");
  askFor(message);
  later(OVERDUE_MS, "waiting", () => {
    if (field(message, "type") === "ciphertext") tellWaiting(message, id, "overdue");
  });
}

function watchType(message) {
  const once = (field(message, "once") ?? message.on).bind(message);
  once("change:type", () => {
    // The other fields may be set after this one.
    later(0, "message", () => {
      if (message.type === "ciphertext") watchType(message);
      else tell(message);
    });
  });
}

function tellWaiting(message, id, decryption) {
  const waiting = { id, chat: chatOfMessage(message), fromMe: fromMe(message), decryption, at: secondsOf(message) };
  const writer = writerOf(message);
  tellInTurn("waiting", async () => ({ ...waiting, from: await person(writer) }));
}

/** Has the page ask the sender's side for it again, together with others of the next seconds. */
function askFor(message) {
  toAskFor.add(message);
  asking ??= later(GATHER_MS, "resend", () => {
    asking = null;
    const wanted = [...toAskFor].filter((one) => field(one, "type") === "ciphertext");
    toAskFor.clear();
    if (wanted.length > 0) return invoke("askForPlaceholders", wanted, true);
  });
}

/** The page asks only where its gate is open. */
const openedGates = new WeakSet();
function openResendGate() {
  needed("askForPlaceholders");
  for (const { value, owner, member } of [...found("resendGate")]) {
    if (openedGates.has(value)) return;
    const open = () => true;
    openedGates.add(open);
    owner[member] = open;
    if (owner[member] === open) return;
  }
  throw missing(placeOf("resendGate"));
}

const waitingHooks = [{ name: "resending", feature: "late messages", attach: openResendGate }];

// Whether the page still tells what arrives. It says "connected" and may be deaf all the same: its
// emitter was emptied or put in another's place, and a listener that is gone makes no fault.

/** Messages that were told to our listener. */
const heard = new WeakSet();

/** Messages on the page that were not, since when. */
const unheard = new Map();

/** How long one may be on the page before it counts: its event may come a moment later. */
const UNHEARD_MS = 5000;

/**
 * Looks for new messages that nobody told us (fact sheet §0.2, §5.1). Those are told now, the
 * listener is put up anew, and the answer is how many there were.
 */
function missedMessages() {
  const messages = optional("messages");
  const all = messages?.getModelsArray?.() ?? [];
  const now = native.now();
  const missed = [];
  const present = new Set();
  for (const message of all) {
    if (!field(message, "isNewMsg") || heard.has(message)) continue;
    // What we sent was told to us by its command.
    if (ownSends.has(wireIdOf(field(message, "id")))) continue;
    present.add(message);
    const since = unheard.get(message) ?? now;
    unheard.set(message, since);
    if (now - since >= UNHEARD_MS) missed.push(message);
  }
  for (const message of unheard.keys()) if (!present.has(message)) unheard.delete(message);
  if (missed.length === 0) return 0;
  for (const message of missed) {
    unheard.delete(message);
    guarded("message", () => messageAdded(message));
  }
  listening.delete(messages);
  guarded("hooks", attachHooks);
  return missed.length;
}

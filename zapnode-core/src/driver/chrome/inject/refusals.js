// What WhatsApp or the account's owner does not allow (fact sheet §2.6, §4.3, §6, §6.1).

/** A server's refusal as the page throws it: `{status, words}`, or `null` for any other error. */
function refusalOf(error) {
  if (field(error, "name") !== "ServerStatusCodeError") return null;
  const text = words(error);
  // Where it keeps its number is not known for every build; it may be in the words only.
  const places = ["statusCode", "status", "code"].map((name) => Number(field(error, name)));
  const status = [...places, Number(/\b[45]\d\d\b/.exec(text)?.[0])].find((one) => one >= 400 && one < 600);
  return { status: status ?? null, words: text.slice(0, 300) };
}

/** Messages whose send call has not said yet what came of it. */
const undecided = new Set();
const refusedSends = new Recent(1000);

/** Tells that the server refused a message; says whether it was that. */
function tellRefusal(message, error) {
  const refusal = refusalOf(error);
  const id = keyText(message?.id);
  if (!refusal || !id) return false;
  refusedSends.add(wireIdOf(message.id));
  emit("sendRefused", { id, ...refusal });
  return true;
}

/**
 * A message may show that it failed before its send call says why. So that is waited for, a moment.
 * Says whether it is.
 */
function awaitsReason(message, ack) {
  const wireId = wireIdOf(message?.id);
  if (!(Number(ack) < 0) || !undecided.has(wireId)) return false;
  later(2000, "ack", () => {
    if (!refusedSends.has(wireId) && Number(message.ack) < 0) tellAck(message, message.ack);
  });
  return true;
}

/** Whether this account has blocked a person, by any of their addresses. */
function isBlocked(addresses) {
  const blocked = optional("blocklist");
  if (typeof blocked?.get !== "function") return false;
  return addresses.some((text) => {
    if (!text) return false;
    for (const key of [() => widFor(text), () => text]) {
      try {
        if (blocked.get(key())) return true;
      } catch {
        // The other form may do.
      }
    }
    return false;
  });
}

async function mustNotBeBlocked(chat) {
  if (!isPerson(chat)) return;
  const known = await identities(chat);
  if (isBlocked([chat, known.phone, known.lid])) throw new BridgeError("blocked", chat);
}

/** WhatsApp says on this bus that it has banned the account for a time; what comes with it varies. */
function listenForRestrictions() {
  const event = "account_temporarily_banned";
  listen(needed("backendEvents"), event, "restricted", (told) => {
    const text = typeof told === "string" ? told : textOrNull(field(told, "message")) ?? textOrNull(field(told, "reason"));
    emit("restricted", { words: (text ?? event).slice(0, 300) });
  });
}

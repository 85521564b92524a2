// What appears by itself: messages, notices of groups, and how far sent messages have come (fact
// sheet §5).

/** Not messages of a person: the page keeps its notices in the same collection (§5.4, §5.6). */
const NOTICES = new Set([
  "gp2", "e2e_notification", "notification", "notification_template", "broadcast_notification",
  "newsletter_notification", "protocol", "debug", "revoked", "reaction", "call_log", "ciphertext",
]);

/** Wire ids this connection sends: they are not told as new messages. */
const ownSends = new Recent(5000);
const told = new Recent(5000);
let telling = gate;

/**
 * Tells things one after another, in the order in which they happened: finding out who is meant
 * takes a moment for some. `make` gives what to tell, or nothing.
 */
function tellInTurn(event, make) {
  telling = telling.then(make).then(
    (data) => data && emit(event, data),
    (error) => note(`fault.${event}`, words(error)),
  );
}

/** Thousands come when history is loaded, so what is old leaves at once. */
function messageAdded(message) {
  heard.add(message);
  const isNew = Boolean(field(message, "isNewMsg"));
  if (field(message, "type") === "ciphertext") {
    if (!ownSends.has(wireIdOf(field(message, "id")))) awaitPlaintext(message, isNew || wasMissed(message));
    return;
  }
  if (!isNew) lookForEdit(message);
  if (isNew || ((wasMissed(message) || isRead(message)) && !holdMissed(message))) takeMessage(message);
}

function takeMessage(message) {
  if (isStatusUnderWay(message)) return;
  if (ownSends.has(wireIdOf(field(message, "id")))) return;
  if (field(message, "type") === "gp2") tellGroup(message);
  else if (isNotice(message)) tellNotice(message);
  else tell(message);
}

/** What the page has already when we begin to listen, oldest first. */
function tellPresent(messages) {
  const present = [...(messages.getModelsArray?.() ?? [])];
  present.sort((a, b) => (secondsOf(a) ?? 0) - (secondsOf(b) ?? 0));
  for (const message of present) guarded("message", () => messageAdded(message));
}

function tell(message) {
  if (NOTICES.has(message.type)) return;
  const id = keyText(message.id);
  if (!id || !told.add(id)) return;
  // Read now: the page may change its model before the identities are found.
  const read = guarded("message", () => readMessage(message, id));
  if (!read) return;
  tellInTurn("message", () => withPeople(read));
}

/** What was read of a message, with everybody in it under all their names. */
async function withPeople(read) {
  const [from, mentions, quoted] = await Promise.all([
    person(read.from),
    people(read.mentions),
    person(read.replyTo?.from),
  ]);
  if (!from) return null;
  const replyTo = read.replyTo && { ...read.replyTo, from: quoted };
  return { ...read, from, mentions, replyTo };
}

/** A notice of a group: what happened is its subtype (§5.6). */
function tellGroup(message) {
  const id = keyText(message.id);
  if (!id || !told.add(id)) return;
  const read = (name) => field(message, name);
  const isOld = !field(message, "isNewMsg");
  const notice = { id, isOld, group: chatOfMessage(message), word: textOrNull(read("subtype")) ?? "", text: textOrNull(read("body")), at: secondsOf(message) };
  const [by, members] = [widText(read("author")), widTexts(read("recipients"))];
  tellInTurn("group", async () => {
    const [actor, affected] = await Promise.all([person(by), people(members)]);
    return { ...notice, by: actor, members: affected };
  });
}

function ackChanged(message, ack) {
  if (fromMe(message) && !awaitsReason(message, ack ?? message.ack)) tellAck(message, ack ?? message.ack);
}

function tellAck(message, ack) {
  const id = keyText(message.id);
  const number = Number(ack);
  if (id && Number.isFinite(number)) emit("ack", { id, ack: Math.trunc(number) });
}

// What appears by itself: messages, and how far sent ones have come (fact sheet §5).

/** Not messages of a person: the page keeps its notices in the same collection (§5.4, §5.6). */
const NOTICES = new Set([
  "gp2", "e2e_notification", "notification", "notification_template", "broadcast_notification",
  "newsletter_notification", "protocol", "debug", "revoked", "reaction", "call_log", "ciphertext",
]);

/** Kinds whose body is a thumbnail, if anything (§5.4). */
const MEDIA = new Set(["image", "video", "audio", "ptt", "document", "sticker", "album", "ptv"]);

/** Wire ids this connection sends: they are not told as new messages. */
const ownSends = new Recent(5000);
const told = new Recent(5000);
let telling = Promise.resolve();

/** Thousands come when history is loaded, so what is old leaves at the first line. */
function messageAdded(message) {
  if (!field(message, "isNewMsg")) return;
  if (ownSends.has(wireIdOf(field(message, "id")))) return;
  if (field(message, "type") === "ciphertext") awaitPlaintext(message);
  else tell(message);
}

/** Not decrypted yet: told when it is, and never if it turns out revoked (§5.2). */
function awaitPlaintext(message) {
  const once = (field(message, "once") ?? message.on).bind(message);
  once("change:type", () => {
    // The other fields may be set after this one.
    later(0, "message", () => {
      if (message.type === "ciphertext") awaitPlaintext(message);
      else tell(message);
    });
  });
}

function tell(message) {
  if (NOTICES.has(message.type)) return;
  const id = keyText(message.id);
  if (!id || !told.add(id)) return;
  // Read now: the page may change its model before the identities are found.
  const read = guarded("message", () => readMessage(message, id));
  if (!read) return;
  // One after another, so that messages are told in their order.
  telling = telling.then(async () => {
    const known = await identities(read.wid).catch(() => ({}));
    delete read.wid;
    emit("message", { ...read, fromPhone: known.phone ?? null, fromLid: known.lid ?? null });
  });
}

function readMessage(message, id) {
  const own = fromMe(message);
  const read = (name) => field(message, name);
  const chat = widText(field(message.id, "remote")) ?? widText(read(own ? "to" : "from"));
  let writer = widText(read("author")) ?? widText(field(message.id, "participant"));
  if (!writer && own) {
    const me = meWids();
    writer = widText(isLid(chat) ? (me.lid ?? me.phone) : (me.phone ?? me.lid));
  }
  writer ??= widText(read("from")) ?? chat;
  const type = read("type");
  const at = Number(read("t"));
  return {
    id,
    chat,
    from: writer,
    wid: writer,
    name: textOrNull(read("notifyName")) ?? nameOf(writer),
    fromMe: own,
    kind: typeof type === "string" ? type : "unknown",
    text: bodyOf(message),
    at: Number.isFinite(at) ? Math.trunc(at) : null,
  };
}

function bodyOf(message) {
  const read = (name) => field(message, name);
  const body = read("directPath") || MEDIA.has(read("type"))
    ? read("caption")
    : read("type") === "location"
      ? read("loc")
      : read("body") || read("pollName") || read("eventName");
  return typeof body === "string" && body !== "" ? body : null;
}

function nameOf(writer) {
  try {
    const contacts = optional("contacts");
    const contact = contacts?.get(writer) ?? contacts?.get(widFor(writer));
    return textOrNull(field(contact, "pushname")) ?? textOrNull(field(contact, "name"));
  } catch {
    return null;
  }
}

function ackChanged(message, ack) {
  if (fromMe(message) && !awaitsReason(message, ack ?? message.ack)) tellAck(message, ack ?? message.ack);
}

function tellAck(message, ack) {
  const id = keyText(message.id);
  const number = Number(ack);
  if (id && Number.isFinite(number)) emit("ack", { id, ack: Math.trunc(number) });
}

// What becomes of messages that are there: edited, taken back, deleted (fact sheet §5.1).

/** Subtypes of the protocol's message that takes another one back. */
const REVOKES = new Set(["revoke", "sender_revoke", "admin_revoke"]);

/** Messages whose text has just changed, with the text before: one edit may change several fields. */
const changing = new Map();
/** The last edit told of a message. */
const edits = new WeakMap();

function textChanged(message, before, announced) {
  const known = changing.get(message);
  if (known) {
    known.before ??= before;
    known.announced ||= announced;
    return;
  }
  const change = { before, announced };
  changing.set(message, change);
  // The other fields may be set after this one: the text of a message goes before its type says
  // that it was taken back, and comes before its type says that it was decrypted.
  const wasCiphertext = field(message, "type") === "ciphertext";
  later(0, "edit", () => {
    changing.delete(message);
    if (!wasCiphertext) tellEdit(message, change);
  });
}

function tellEdit(message, { before, announced }) {
  const type = field(message, "type");
  // A text that comes where there was none is a message that is loaded.
  if (NOTICES.has(type) || (!announced && !before)) return;
  const id = keyText(message.id);
  const text = bodyOf(message);
  if (!id || (before !== null && text === before)) return;
  const edit = `${keyText(field(message, "latestEditMsgKey"))} ${text}`;
  if (edits.get(message) === edit) return;
  edits.set(message, edit);
  const read = {
    id,
    chat: chatOfMessage(message),
    fromMe: fromMe(message),
    text,
    previous: before,
    at: numberOf(field(message, "latestEditSenderTimestampMs")),
  };
  const writer = writerOf(message);
  tellInTurn("edited", async () => ({ ...read, from: await person(writer) }));
}

/**
 * An old message that was told with its text of then, and edited when nobody listened. One whose date
 * does not say whether it was told may be told with the new text, and its edit after it.
 */
function lookForEdit(message) {
  const at = numberOf(field(message, "latestEditSenderTimestampMs"));
  if (heardUntil === null || at === null || at <= heardUntil || secondsOf(message) * 1000 > heardUntil) return;
  editAnnounced(message, field(message, "latestEditMsgKey"));
}

function bodyChanged(message, _now, before) {
  // A medium's body is its thumbnail.
  if (!isMedia(message)) textChanged(message, textOrNull(before), false);
}

function captionChanged(message, _now, before) {
  textChanged(message, textOrNull(before), false);
}

function editAnnounced(message, key) {
  if (key) textChanged(message, null, true);
}

function typeChanged(message) {
  if (field(message, "type") !== "revoked") return;
  // The message may by now be the notice of it, with a key of its own.
  tellRevoke(field(message, "protocolMessageKey") ?? message.id, "everyone", message);
}

/** `message`, if there is one, is what is left of it; `at` is when it was taken back, if it says so. */
function tellRevoke(key, revokedFor, message, at = null) {
  const id = keyText(key);
  if (!id || !told.add(`revoke ${revokedFor} ${id}`)) return;
  const [own, chat, , participant] = id.split("_");
  const isOwn = own === "true";
  const writer = isPerson(participant) ? participant : message ? writerOf(message) : isOwn ? ownName(chat) : chat;
  tellInTurn("revoked", async () => {
    // Those of history are old.
    if (at !== null && !isLive(at * 1000 + 999)) return null;
    return { id, chat, fromMe: isOwn, revokedFor, from: await person(writer) };
  });
}

/** Taken back without a change that is seen: as when the message is not in memory. */
function batchProcessed([, messages]) {
  for (const message of listOf(messages)) {
    if (field(message, "type") !== "protocol" || !REVOKES.has(field(message, "subtype"))) continue;
    tellRevoke(field(message, "protocolMessageKey"), "everyone", null, secondsOf(message));
  }
}

/** The page drops old messages from its memory too; those are not new (§5.1). */
function messageRemoved(message) {
  if (field(message, "isNewMsg") && !NOTICES.has(field(message, "type"))) tellRevoke(message.id, "me", message);
}

const changeHooks = [
  {
    name: "edits",
    feature: "edits",
    attach: () => {
      const messages = needed("messages");
      listen(messages, "change:body", "edit", bodyChanged);
      listen(messages, "change:caption", "edit", captionChanged);
    },
  },
  {
    name: "edits, by their key",
    feature: "edits",
    attach: () => listen(needed("messages"), "change:latestEditMsgKey", "edit", editAnnounced),
  },
  {
    name: "revokes",
    feature: "revokes",
    attach: () => listen(needed("messages"), "change:type", "revoke", typeChanged),
  },
  {
    name: "revokes of what is not in memory",
    feature: "revokes",
    attach: () => lookOver("messageBatches", "revoke", batchProcessed),
  },
  {
    name: "deletions",
    feature: "revokes",
    attach: () => listen(needed("messages"), "remove", "revoke", messageRemoved),
  },
];

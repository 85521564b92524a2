// What the page's message says, as plain data (fact sheet §5.4). Every field may be absent, of
// another type, or throw; then it is as good as none.

/** Kinds whose body is a thumbnail, if anything. */
const MEDIA = new Set(["image", "video", "audio", "ptt", "document", "sticker", "album", "ptv"]);

/** A number that the page may keep as text, or `null`. */
function numberOf(value) {
  if (value === null || value === undefined || value === "") return null;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}

/** A whole number that is not negative, or `null`. */
function countOf(value) {
  const number = numberOf(value);
  return number === null || number < 0 ? null : Math.min(Math.round(number), Number.MAX_SAFE_INTEGER);
}

/** The page's lists: an array, a collection, or something that can be gone through. */
function listOf(value) {
  if (!value || typeof value === "string") return [];
  if (Array.isArray(value)) return value;
  return guarded("list", () => value.getModelsArray?.() ?? (value[Symbol.iterator] ? [...value] : [])) ?? [];
}

/** The texts of a list of ids; what is none is left out. */
const widTexts = (list) => listOf(list).map((one) => widText(one) ?? widText(field(one, "id"))).filter(Boolean);

/** A person under all their names, `{id, phone, lid}`, or `null`. */
async function person(wid) {
  const id = widText(wid);
  if (!id) return null;
  const known = await identities(wid).catch(() => ({}));
  return { id, phone: known.phone ?? null, lid: known.lid ?? null };
}

/** Everybody of a list, asked at once. */
const people = async (wids) => (await Promise.all(wids.map(person))).filter(Boolean);

function isMedia(message) {
  return Boolean(field(message, "directPath")) || MEDIA.has(field(message, "type"));
}

/** The text, or a medium's caption. */
function bodyOf(message) {
  const read = (name) => field(message, name);
  const body = isMedia(message)
    ? read("caption")
    : read("type") === "location"
      ? read("loc")
      : read("body") || read("pollName") || read("eventName");
  return textOrNull(body);
}

function chatOfMessage(message) {
  const own = fromMe(message);
  return widText(field(field(message, "id"), "remote")) ?? widText(field(message, own ? "to" : "from"));
}

/** Who wrote it: in a group the member, else the other side, or this account. */
function writerOf(message) {
  const id = field(message, "id");
  const chat = chatOfMessage(message);
  const named = widText(field(message, "author")) ?? widText(field(id, "participant"));
  if (named) return named;
  if (fromMe(message)) return ownName(chat);
  return widText(field(message, "from")) ?? chat;
}

/** This account, by the kind of name that the chat uses. */
function ownName(chat) {
  const me = meWids();
  return widText(isPhone(chat) ? (me.phone ?? me.lid) : (me.lid ?? me.phone));
}

/** Unix seconds, or `null`. */
function secondsOf(message) {
  const at = numberOf(field(message, "t"));
  return at === null ? null : Math.trunc(at);
}

function readMessage(message, id) {
  const writer = writerOf(message);
  const kind = field(message, "type");
  return {
    id,
    isOld: !field(message, "isNewMsg"),
    chat: chatOfMessage(message),
    from: writer,
    name: textOrNull(field(message, "notifyName")) ?? nameOf(writer),
    fromMe: fromMe(message),
    kind: typeof kind === "string" ? kind : "unknown",
    text: bodyOf(message),
    at: secondsOf(message),
    ...readDetails(message),
  };
}

function readDetails(message) {
  const read = (name) => field(message, name);
  const quoted = textOrNull(read("quotedStanzaID"));
  return {
    ack: countOrFailure(read("ack")),
    replyTo: quoted ? { id: quoted, from: widText(read("quotedParticipant")), ...readQuoted(read("quotedMsg")) } : null,
    mentions: widTexts(read("mentionedJidList")),
    media: read("directPath") ? readMedia(read) : null,
    location: read("type") === "location" ? readLocation(read) : null,
    vcards: readCards(read),
    isForwarded: read("isForwarded") === true,
    forwardingScore: Math.min(countOf(read("forwardingScore")) ?? 0, 0xffffffff),
    isEphemeral: read("isEphemeral") === true,
  };
}

/** What an answer carries of the message it answers. */
const readQuoted = (quoted) => ({ kind: textOrNull(field(quoted, "type")), text: quoted ? bodyOf(quoted) : null });

function countOrFailure(ack) {
  const number = numberOf(ack);
  return number === null ? null : Math.trunc(number);
}

function readMedia(read) {
  const duration = countOf(read("duration"));
  return {
    mimeType: textOrNull(read("mimetype")),
    fileName: textOrNull(read("filename")),
    size: countOf(read("size")),
    duration: duration === null ? null : Math.min(duration, 0xffffffff),
    isGif: read("isGif") === true,
  };
}

/** Its name and address are two lines of one text (§4.6). */
function readLocation(read) {
  const [latitude, longitude] = [numberOf(read("lat")), numberOf(read("lng"))];
  if (latitude === null || longitude === null) return null;
  const [name, ...address] = (textOrNull(read("loc")) ?? "").split("\n");
  return {
    latitude,
    longitude,
    name: textOrNull(name),
    address: textOrNull(address.join("\n")),
    url: textOrNull(read("clientUrl")),
  };
}

function readCards(read) {
  if (read("type") === "vcard") return [textOrNull(read("body"))].filter(Boolean);
  if (read("type") !== "multi_vcard") return [];
  return listOf(read("vcardList")).map((card) => textOrNull(card) ?? textOrNull(field(card, "vcard"))).filter(Boolean);
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

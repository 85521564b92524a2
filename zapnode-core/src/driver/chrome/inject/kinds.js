// What a message of ours can carry besides files (fact sheet §4.4, §4.6). Each kind gives the fields
// in which it differs; making them must not be visible to anybody.

/** How long the page may look for a link's preview: the message goes without it then. */
const PREVIEW_MS = 3000;

/** 32 bytes with which the answers to a poll or an event are encrypted. */
const newSecret = () => crypto.getRandomValues(new Uint8Array(32));

const makers = {
  async text({ text, mentions, linkPreview }, chat, ticket) {
    const mentioned = await withMentions(text, mentions ?? [], chat, ticket);
    const preview = linkPreview === false ? {} : await previewOf(mentioned.body);
    return { type: "chat", subtype: null, urlText: null, urlNumber: null, ...mentioned, ...preview };
  },

  async location({ latitude, longitude, name, address }) {
    // Without these two the page takes a place for a medium, and does not send it (§4.6).
    for (const part of ["mediaTypeOfProto", "typeOfProto"]) needed(part);
    openWayForPlaces();
    const loc = [name, address].filter(Boolean).join("\n") || undefined;
    return { type: "location", body: "", lat: latitude, lng: longitude, loc };
  },

  async contacts({ contacts }) {
    const [first] = contacts;
    if (contacts.length === 1) return { type: "vcard", body: first.vcard, vcardFormattedName: first.name };
    const vcardList = contacts.map(({ name, vcard }) => ({ displayName: name, vcard }));
    return { type: "multi_vcard", body: null, vcardList };
  },

  async poll({ question, options, several }) {
    return {
      type: "poll_creation",
      kind: "pollCreation",
      body: "",
      pollName: question,
      pollOptions: options.map((name, localId) => ({ name, localId })),
      pollSelectableOptionsCount: several ? 0 : 1,
      messageSecret: newSecret(),
    };
  },

  async event({ name, description, startsAt, endsAt, location, call }, _chat, ticket) {
    const seconds = (text) => (text ? Math.floor(Date.parse(text) / 1000) : undefined);
    const start = seconds(startsAt);
    let link = null;
    if (call) {
      needed("eventCallLink");
      link = await ticket.wait("WhatsApp to make the link of the call", invoke("eventCallLink", start, call));
      if (!link) throw refused("WhatsApp made no link for the call");
    }
    return {
      type: "event_creation",
      body: "",
      eventName: name,
      eventDescription: description,
      eventStartTime: start,
      eventEndTime: seconds(endsAt),
      eventLocation: location ? { degreesLatitude: 0, degreesLongitude: 0, name: location } : undefined,
      eventJoinLink: link,
      isEventCanceled: false,
      messageSecret: newSecret(),
    };
  },
};

commands.send = async ({ content, ...wanted }, ticket) => {
  if (content.type === "forward") return forwardOnce(content.message, wanted, ticket);
  const make = makers[content.type];
  if (!make) throw missing(`the bridge's command for ${content.type}`);
  return sendOnce(wanted, ticket, (chat) => make(content, chat, ticket));
};

// --- text --------------------------------------------------------------------------------------

/**
 * Who is mentioned, by the kind of name that the chat has (§4.4): a group mostly knows its members by
 * LID, and the text has to have the same.
 */
async function withMentions(text, mentions, chat, ticket) {
  if (mentions.length === 0) return { body: text };
  const byLid = isPerson(widText(chat.id))
    ? isLid(widText(chat.id))
    : field(field(chat, "groupMetadata"), "isLidAddressingMode") !== false;
  const user = (id) => id.split("@")[0];
  let body = text;
  const mentionedJidList = [];
  for (const given of mentions) {
    let known = await identities(given);
    // Asking who has a number teaches the page the other name.
    if (byLid && !known.lid && known.phone && (await queryContact(given, ticket))) known = await identities(given);
    const name = (byLid ? known.lid : known.phone) ?? given;
    if (name !== given) body = body.replace(new RegExp(`@${user(given)}(?![0-9A-Za-z])`, "g"), `@${user(name)}`);
    mentionedJidList.push(widFor(name));
  }
  return { body, mentionedJidList };
}

/** The first link's preview, as fields; none where there is no link, or none comes in time. */
async function previewOf(text) {
  const link = attempt("findLink", text);
  if (!link) return {};
  const answer = await within(PREVIEW_MS, attempt("linkPreview", link));
  const data = field(answer, "data");
  if (!data || typeof data !== "object") return {};
  // Bots do not answer where this is set (§4.4).
  const { canonicalUrl: _canonicalUrl, ...shown } = data;
  return { ...shown, preview: true, subtype: "url" };
}

// --- places ------------------------------------------------------------------------------------

const wayForPlaces = new WeakSet();

/** What the page makes of a message before it is encrypted: a place is a text to it (§4.6). */
function openWayForPlaces() {
  replaceFor("mediaTypeOfProto", (proto) => (proto?.locationMessage ? null : undefined));
  replaceFor("typeOfProto", (proto) => (proto?.locationMessage || proto?.groupInviteMessage ? "text" : undefined));
}

/** Answers in the place of a page's function where `answer` gives something. */
function replaceFor(part, answer) {
  let held = 0;
  for (const { value, owner, member } of [...found(part)]) {
    if (typeof value !== "function" || !owner) continue;
    if (!wayForPlaces.has(value)) {
      const standIn = new Proxy(value, {
        apply(target, self, args) {
          const own = guarded(part, () => answer(args[0]));
          return own === undefined ? Reflect.apply(target, self, args) : own;
        },
      });
      wayForPlaces.add(standIn);
      owner[member] = standIn;
      if (owner[member] !== standIn) throw refused(`${member} cannot be replaced`);
    }
    held += 1;
  }
  if (held === 0) throw missing(placeOf(part));
}

const kindHooks = [
  // From the start, for a page sends by itself what it had not sent.
  { name: "places", feature: "location", attach: openWayForPlaces },
];

// --- forwarding --------------------------------------------------------------------------------

/** Which lazy bundles bring the page's forwarding (§8.2). */
const FORWARD_BUNDLES = ["WAWebMediaForwardMediaMsg", "WAWebForwardMessageFlow.react", "WAWebForwardMessageModal.react"];

/** Has the page fetch what is in a lazy bundle. */
async function loadBundle(part, bundles, ticket) {
  for (const bundle of bundles) {
    if (look(part)) return;
    if (!look("loadBundle")) break;
    ticket.step("the page to load its forwarding");
    await within(5000, new Promise((done) => guarded("bundle", () => invoke("loadBundle", [bundle], done, "zapnode"))));
  }
  needed(part);
}

let forwarding = Promise.resolve();

/** Passes a message on, at most once, like any other send. The page makes the copy itself. */
async function forwardOnce(key, wanted, ticket) {
  mustBeReady();
  const { chat: chatId, wireId } = wanted;
  const existing = await findMessage({ chat: chatId, wireId, own: true }, ticket);
  if (existing) return sentMessage(existing);
  await mustNotBeBlocked(chatId);
  const message = await messageToUse(key, ticket);
  await loadBundle("forward", FORWARD_BUNDLES, ticket);
  const chat = await chatFor(chatId, ticket);
  // One after the other: the page is given the id that was chosen while it makes the copy.
  const turn = forwarding.then(() => forwardNow(message, chat, wanted, ticket));
  forwarding = within(30000, turn);
  return sentMessage(await turn);
}

async function forwardNow(message, chat, { chat: chatId, wireId }, ticket) {
  ticket.step("the page to pass the message on");
  mustBeReady();
  const MsgKey = needed("MsgKey");
  const original = MsgKey.newId;
  const messages = needed("messages");
  const chats = [chatId, widText(chat.id)];
  let copy = null;
  const watch = (added) => {
    const isCopy = fromMe(added) && field(added, "isNewMsg") && chats.includes(chatOfMessage(added));
    if (isCopy && wireIdOf(added.id) !== wireId && !ownSends.has(wireIdOf(added.id))) copy ??= added;
  };
  ownSends.add(wireId);
  let asked = 0;
  MsgKey.newId = function newId(...args) {
    asked += 1;
    return asked === 1 ? Promise.resolve(wireId) : original.apply(this, args);
  };
  messages.on("add", watch);
  const inPage = () => messageByWireId(wireId, true, chats);
  try {
    const given = { chat, msgs: [message], multicast: true, includeCaption: true, appendedText: undefined };
    const passing = Promise.resolve(invoke("forward", given));
    // It may settle late; what counts is that the page has the copy.
    passing.catch(() => undefined);
    const failed = passing.then(() => sleep(2000), (error) => Promise.reject(refusalOf(error) ? error : refused(words(error))));
    failed.catch(() => undefined);
    await Promise.race([until("the page to pass the message on", () => inPage() || copy, ticket), failed]);
  } finally {
    MsgKey.newId = original;
    messages.off?.("add", watch);
  }
  const taken = inPage();
  if (taken) return taken;
  // Sending it once more would be twice.
  throw refused(copy ? "the page passed it on under an id of its own, so what becomes of it is not known" : "the page did not pass the message on");
}

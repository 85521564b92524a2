// Chats as a whole: list, history, search, and what is done with one (fact sheet §6, §8.1).

/** A chat the page has, under either of a person's names. */
async function knownChat(id) {
  const chat = chatInPage(id);
  if (chat || !isPerson(id)) return chat;
  const known = await identities(id);
  const other = isPhone(id) ? known.lid : known.phone;
  return other ? chatInPage(other) : null;
}

/** `unreadCount` is -1 where somebody marked the chat. */
const isUnread = (chat) => (numberOf(field(chat, "unreadCount")) ?? 0) !== 0;
const isPinned = (chat) => Boolean(numberOf(field(chat, "pin")) ?? field(chat, "pin"));
const isArchived = (chat) => field(chat, "archive") === true;
const titleOf = (chat) => textOrNull(field(chat, "formattedTitle")) ?? textOrNull(field(chat, "name"));

function has(text, words) {
  return !words || (text ?? "").toLowerCase().includes(words.toLowerCase());
}

/** Whether `one` stands before `other` in the list: pinned, newer, then by id. */
function chatOrder(one, other) {
  return (
    Number(other.pinned) - Number(one.pinned) || other.at - one.at || (one.id < other.id ? -1 : one.id > other.id ? 1 : 0)
  );
}

commands.chats = async ({ archived, unread, words: wanted, pinnedFirst, after, limit }, ticket) => {
  mustBeReady();
  ticket.step("the page's chats");
  const all = [];
  for (const chat of listOf(needed("chats"))) {
    const id = widText(field(chat, "id"));
    if (!id) continue;
    if (archived !== null && isArchived(chat) !== archived) continue;
    if (unread && !isUnread(chat)) continue;
    if (!has(titleOf(chat), wanted)) continue;
    all.push({ chat, id, pinned: pinnedFirst && isPinned(chat), at: secondsOf(chat) ?? 0 });
  }
  all.sort(chatOrder);
  const rest = after ? all.filter((one) => chatOrder(after, one) < 0) : all;
  const page = rest.slice(0, limit);
  const last = page.at(-1);
  const chats = [];
  for (const one of page) chats.push(await ticket.wait("the page's chats", readChat(one.chat)));
  return {
    chats,
    next: rest.length > page.length ? { pinned: last.pinned, at: last.at, id: last.id } : null,
    total: all.length,
    unread: all.filter(({ chat }) => isUnread(chat)).length,
  };
};

commands.chat = async ({ id }, ticket) => {
  mustBeReady();
  const chat = await ticket.wait("the chat", knownChat(id));
  return chat ? readChat(chat) : null;
};

async function readChat(chat) {
  const read = (name) => field(chat, name);
  const id = widText(read("id"));
  const known = await identities(read("id"));
  const unread = numberOf(read("unreadCount")) ?? 0;
  return {
    id,
    phone: known.phone,
    lid: known.lid,
    name: titleOf(chat),
    isGroup: serverOf(id) === "g.us",
    unread: Math.min(countOf(unread) ?? 0, 0xffffffff),
    isMarkedUnread: unread < 0,
    isArchived: isArchived(chat),
    isPinned: isPinned(chat),
    mute: Math.trunc(numberOf(field(read("mute"), "expiration")) ?? 0),
    isReadOnly: read("isReadOnly") === true,
    at: secondsOf(chat),
    lastMessage: await lastMessage(chat),
    picture: thumbOf(id),
  };
}

/** Its picture, where the page has it at hand: nobody is asked. */
function thumbOf(id) {
  return guarded("picture", () => {
    const thumbs = optional("pictures");
    const thumb = thumbs?.get?.(widFor(id)) ?? thumbs?.get?.(id);
    return textOrNull(field(thumb, "imgFull")) ?? textOrNull(field(thumb, "img"));
  }) ?? null;
}

const isMessage = (message) => field(message, "isNotification") !== true && !NOTICES_IN_HISTORY.has(field(message, "type"));

/** As for what is told (receive.js), but a message that was taken back has its place in a history. */
const NOTICES_IN_HISTORY = new Set([...NOTICES].filter((kind) => kind !== "revoked" && kind !== "ciphertext"));

/** The newest in memory, or the one that the chat names as the last it received. */
async function lastMessage(chat) {
  const inMemory = inOrder(chat).at(-1);
  const key = keyText(field(chat, "lastReceivedKey"));
  let received = null;
  if (key && !inMemory) received = await messageByKey(key, new Ticket()).catch(() => null);
  const message = inMemory ?? (received && isMessage(received) ? received : null);
  return message ? wholeMessage(message) : null;
}

/** A message as plain data, with its people under all their names; `null` for one without a key. */
async function wholeMessage(message) {
  const id = keyText(field(message, "id"));
  const read = id && guarded("message", () => readMessage(message, id));
  return read ? withPeople(read) : null;
}

async function wholeMessages(list) {
  return (await Promise.all(list.map(wholeMessage))).filter(Boolean);
}

// --- history -----------------------------------------------------------------------------------

/** A chat's messages in memory, oldest first. Within a second their order is the collection's. */
function inOrder(chat) {
  const messages = listOf(field(chat, "msgs")).filter((message) => keyText(field(message, "id")) && isMessage(message));
  return messages.map((message, place) => ({ message, place, at: secondsOf(message) ?? 0 }))
    .sort((a, b) => a.at - b.at || a.place - b.place)
    .map(({ message }) => message);
}

const isThe = ({ wireId, own }) => (message) => wireIdOf(field(message, "id")) === wireId && fromMe(message) === own;

/** What lies before the one named, oldest first. One that is gone leaves its second to what is before. */
function olderThan(chat, before, beforeAt) {
  const all = inOrder(chat);
  if (!before) return all;
  const place = all.findIndex(isThe(before));
  if (place >= 0) return all.slice(0, place);
  return beforeAt === null ? [] : all.filter((message) => (secondsOf(message) ?? 0) < beforeAt);
}

commands.chatMessages = async ({ chat: id, before, limit, known }, ticket) => {
  mustBeReady();
  const answers = [];
  for (const one of known) answers.push(Boolean(await findMessage({ ...one, chat: id }, ticket)));
  const chat = limit > 0 ? await ticket.wait("the chat", knownChat(id)) : null;
  if (!chat) return { messages: [], hasMore: false, known: answers };
  const { list, hasMore } = await history(chat, before, limit, ticket);
  return { messages: (await wholeMessages(list)).reverse(), hasMore, known: answers };
};

async function history(chat, before, limit, ticket) {
  let anchor = null;
  if (before) {
    anchor = await findMessage({ ...before, chat: widText(chat.id) }, ticket);
    const found = anchor && (await storedBefore(chat, anchor, limit, ticket));
    if (found) return found;
  }
  const anchorAt = anchor ? secondsOf(anchor) : null;
  for (;;) {
    const older = olderThan(chat, before, anchorAt);
    if (older.length > limit) return { list: older.slice(-limit), hasMore: true };
    // An anchor that is known to nobody any more: everything before it is unknown too.
    if (before && !anchor) return { list: [], hasMore: false };
    const count = await ticket.wait("older messages", loadEarlier(chat));
    if (count > 0) continue;
    // Somebody else may have loaded the rest meanwhile, as the search for missed messages does.
    const all = olderThan(chat, before, anchorAt);
    return { list: all.slice(-limit), hasMore: all.length > limit };
  }
}

/** From the page's own database, without loading everything in between; `null` where that is not there. */
async function storedBefore(chat, anchor, count, ticket) {
  if (!look("findBefore")) return null;
  ticket.step("the page's stored messages");
  // One more, to see whether there are older ones.
  const asked = { anchor: field(anchor, "id"), count: count + 1, direction: "before" };
  const answer = await within(5000, attempt("findBefore", asked));
  ticket.step("the page's stored messages");
  const rows = Array.isArray(answer) ? answer : answer?.messages;
  if (!Array.isArray(rows)) return null;
  const anchorKey = keyText(field(anchor, "id"));
  const ids = new Set();
  const all = [];
  for (const row of rows) {
    const key = keyText(field(row, "id"));
    if (!key || key === anchorKey || ids.has(key)) continue;
    ids.add(key);
    const live = guarded("find", () => needed("messages").get(key));
    all.push({ message: live ?? row, at: secondsOf(row) ?? 0, place: all.length });
  }
  // Whichever way the build gives them, oldest first.
  const falling = all.length > 1 && all[0].at > all.at(-1).at;
  all.sort((a, b) => a.at - b.at || (falling ? b.place - a.place : a.place - b.place));
  return { list: all.slice(-count).map(({ message }) => message).filter(isMessage), hasMore: rows.length > count };
}

commands.searchMessages = async ({ words: wanted, chat: id, limit }, ticket) => {
  mustBeReady();
  const messages = needed("messages");
  if (typeof messages.search !== "function") throw missing("WAWebCollections.Msg.search");
  const chat = id ? await ticket.wait("the chat", knownChat(id)) : null;
  if (id && !chat) return [];
  const place = chat ? widText(chat.id) : undefined;
  const answer = await ticket.wait("the page's search", messages.search(wanted, 1, limit, place));
  const found = listOf(Array.isArray(answer) ? answer : answer?.messages).filter(isMessage);
  found.sort((a, b) => (secondsOf(b) ?? 0) - (secondsOf(a) ?? 0));
  return wholeMessages(found.slice(0, limit));
};

// --- what is done with a chat ------------------------------------------------------------------

const MOST_PINNED = 3;

const changesOfChats = {
  archive: (chat, { on }) => isArchived(chat) === on || invoke("archiveChat", chat, on),
  pin: (chat, { on }) => {
    if (isPinned(chat) === on) return null;
    if (on && listOf(needed("chats")).filter(isPinned).length >= MOST_PINNED) {
      throw refused("three chats are pinned already, which is as many as can be");
    }
    return invoke("pinChat", chat, on);
  },
  mute: (chat, { until }) => {
    const mute = field(chat, "mute");
    const name = until === 0 ? "unmute" : "mute";
    if (typeof field(mute, name) !== "function") throw missing(`chat.mute.${name}`);
    return until === 0 ? mute.unmute({ sendDevice: true }) : mute.mute({ expiration: until, sendDevice: true });
  },
  unread: (chat) => invoke("markUnread", chat, true),
  clear: (chat, { keepStarred }) => invoke("clearChat", chat, keepStarred),
  delete: (chat) => invoke("deleteChat", chat),
};

commands.changeChat = async ({ id, change }, ticket) => {
  mustBeReady();
  const chat = await ticket.wait("the chat", knownChat(id));
  if (!chat) return false;
  await ticket.wait("the page to change the chat", changesOfChats[change.what](chat, change));
  return true;
};

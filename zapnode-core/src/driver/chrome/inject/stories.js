// The account's status, and those of others (fact sheet §4.6, §6.2).

const STATUS_CHAT = "status@broadcast";

/** How long the page may take to show a status that WhatsApp has taken. */
const SHOWN_MS = 5000;

const isOwnStatus = (message) =>
  fromMe(message) && widText(field(field(message, "id"), "remote")) === STATUS_CHAT;

/** Texts that are being shown: their messages are not told as if they came from another device. */
const statusesUnderWay = new Set();

function isStatusUnderWay(message) {
  if (statusesUnderWay.size === 0 || !isOwnStatus(message) || !statusesUnderWay.has(field(message, "body"))) return false;
  ownSends.add(wireIdOf(field(message, "id")));
  return true;
}

commands.postStatus = async ({ text, color, font }, ticket) => {
  mustBeReady();
  needed("postTextStatus");
  const messages = needed("messages");
  const before = new Set(listOf(messages).filter(isOwnStatus).map((message) => keyText(message.id)));
  const appeared = () =>
    listOf(messages).find((one) => isOwnStatus(one) && field(one, "body") === text && !before.has(keyText(one.id)));
  ticket.step("WhatsApp to take the status");
  statusesUnderWay.add(text);
  try {
    await ticket.wait("WhatsApp to take the status", invoke("postTextStatus", { color, font, text }));
    // The call tells no id. The message shows up before or soon after it settles.
    const until = native.now() + SHOWN_MS;
    while (!appeared() && native.now() < until && !ticket.expired) await sleep(100);
    return keyText(appeared()?.id);
  } finally {
    statusesUnderWay.delete(text);
  }
};

commands.statuses = async (_args, ticket) => {
  mustBeReady();
  const feeds = listOf(needed("statuses"));
  const found = await ticket.wait("the names of the people", Promise.all(feeds.map(async (feed) => {
    const from = await person(field(feed, "id"));
    if (!from) return null;
    const updates = listOf(field(feed, "msgs")).map((message) => ({
      id: keyText(field(message, "id")) ?? "",
      kind: textOrNull(field(message, "type")) ?? "unknown",
      text: bodyOf(message),
      at: countOf(field(message, "t")),
    }));
    return {
      from,
      at: countOf(field(feed, "t")),
      total: countOf(field(feed, "totalCount")),
      unread: countOf(field(feed, "unreadCount")),
      updates: updates.sort((one, other) => (one.at ?? 0) - (other.at ?? 0)),
    };
  })));
  return found.filter(Boolean);
};

// People and messages on command: find a contact, send a message, look one up (fact sheet §4).
//
// Models of the page are never changed here: they are the page's own state (§0.2).

const SEND_ATTEMPTS_MS = [150, 400, 1000, 2000];

// --- people ------------------------------------------------------------------------------------

/** Asks WhatsApp who has an id; the page then also knows both names (§4.1). `null`: nobody. */
async function queryContact(text, ticket) {
  const answer = await ticket.wait("WhatsApp to say who has this number", invoke("queryWidExists", widFor(text)));
  const wid = field(answer, "wid") ?? field(answer, "jid");
  return widText(wid) ? wid : null;
}

commands.findContact = async ({ id }, ticket) => {
  mustBeReady();
  if (!isPhone(id)) {
    const known = await identities(id);
    return { chat: id, phone: known.phone, lid: known.lid };
  }
  const wid = await queryContact(id, ticket);
  if (!wid) return null;
  const known = await identities(wid);
  const chat = widText(wid);
  // Where one of the two names has a chat already, the conversation goes on there.
  const existing = [chat, known.phone, known.lid].find((one) => one && chatInPage(one));
  return { chat: existing ?? chat, phone: known.phone ?? id, lid: known.lid };
};

// --- chats -------------------------------------------------------------------------------------

/** A chat the page has, as its model. */
function chatInPage(text) {
  const chats = optional("chats");
  if (!chats) return null;
  for (const key of [() => widFor(text), () => text]) {
    try {
      const chat = chats.get(key());
      if (chat) return chat;
    } catch {
      // The other form may do.
    }
  }
  return null;
}

/** The chat to write to, made if it is not there (§4.2). */
async function chatFor(text, ticket) {
  const known = chatInPage(text);
  if (known) return known;
  let queried = false;
  for (let attempts = 0; ; attempts += 1) {
    try {
      return await findOrCreateChat(text, ticket);
    } catch (error) {
      if (error instanceof BridgeError || refusalOf(error)) throw error;
      if (isPerson(text) && !queried && /no lid/i.test(words(error))) {
        // A number without its LID: asking who it is stores the pair (§4.2).
        queried = true;
        if (!(await queryContact(text, ticket))) throw new BridgeError("nobody", text);
        continue;
      }
      const pause = SEND_ATTEMPTS_MS[attempts];
      if (pause === undefined) throw refused(`the chat cannot be opened: ${words(error)}`);
      // Its record may not be stored yet (§9, last line).
      await ticket.wait("the chat's record", sleep(pause));
    }
    const stored = chatInPage(text);
    if (stored) return stored;
  }
}

async function findOrCreateChat(text, ticket) {
  const wid = widFor(text);
  const found = isPerson(text)
    ? await ticket.wait("the chat", invoke("findChat", wid, "createChat"))
    : await ticket.wait("the chat", findKnownChat(wid));
  const chat = field(found, "chat") ?? found;
  const id = widText(field(chat, "id"));
  if (!id) throw new Error("the page gave no chat");
  // It may be a plain record instead of the model (§4.2), which may take a moment to be there.
  for (let looks = 0; looks < 5 && !chatInPage(id); looks += 1) {
    await ticket.wait("the chat's model", sleep(100));
  }
  return chatInPage(id) ?? chat;
}

/** Groups and channels cannot be made by naming them. */
async function findKnownChat(wid) {
  const chats = needed("chats");
  if (typeof chats.find === "function") {
    const chat = await chats.find(wid);
    if (chat) return chat;
  }
  return invoke("findChat", wid, "createChat");
}

// --- messages ----------------------------------------------------------------------------------

/** A message in memory or in the page's database. */
async function messageByKey(text, ticket) {
  const messages = needed("messages");
  const inMemory = guarded("find", () => messages.get(text));
  if (inMemory) return inMemory;
  if (typeof messages.getMessagesById !== "function") return null;
  ticket.step("the page's stored messages");
  const answer = await within(3000, messages.getMessagesById([text]));
  const list = Array.isArray(answer) ? answer : answer?.messages;
  return Array.isArray(list) ? (list.find((one) => one && keyText(one.id)) ?? null) : null;
}

/** A message in memory by its short id, under whatever name the chat has by now. */
function messageByWireId(wireId, own, chats) {
  const fits = (message) => wireIdOf(message?.id) === wireId && fromMe(message) === own;
  for (const chat of chats.map(chatInPage)) {
    const found = guarded("find", () => chat?.msgs?.getModelsArray?.().find(fits));
    if (found) return found;
  }
  return guarded("find", () => needed("messages").getModelsArray?.().find(fits)) ?? null;
}

/** The same message may have another key when its chat has moved from number to LID (§0.4). */
async function findMessage({ key, chat, wireId, own }, ticket) {
  const keys = key ? [key] : [];
  const chats = [chat];
  if (isPerson(chat)) {
    const known = await identities(chat);
    for (const other of [known.phone, known.lid]) {
      if (other && other !== chat) chats.push(other);
    }
    for (const one of chats) keys.push(`${own}_${one}_${wireId}`);
  } else if (own) {
    const me = meWids();
    for (const participant of [widText(me.lid), widText(me.phone)]) {
      if (participant) keys.push(`true_${chat}_${wireId}_${participant}`);
    }
    keys.push(`true_${chat}_${wireId}`);
  }
  const fits = (message) => message && wireIdOf(message.id) === wireId && fromMe(message) === own;
  const messages = needed("messages");
  for (const one of keys) {
    const message = guarded("find", () => messages.get(one));
    if (fits(message)) return message;
  }
  const inMemory = messageByWireId(wireId, own, chats);
  if (inMemory) return inMemory;
  for (const one of [...new Set(keys)]) {
    const message = await messageByKey(one, ticket).catch((error) => {
      if (error instanceof BridgeError) throw error;
      return null;
    });
    if (fits(message)) return message;
  }
  return null;
}

function sentMessage(message) {
  const id = keyText(message.id);
  if (!id) throw refused("the page's message has no readable key");
  return { id, ack: Number.isFinite(Number(message.ack)) ? Math.trunc(Number(message.ack)) : 0 };
}

commands.findMessage = async (wanted, ticket) => {
  // Off line will do: the page answers this by itself. Before its messages are loaded, "not there"
  // would be a guess.
  if (socketState() === null || field(optional("socket"), "hasSynced") === false) {
    throw wrongMoment("the page has not loaded its messages");
  }
  const message = await findMessage(wanted, ticket);
  return message ? sentMessage(message) : null;
};

// --- sending -----------------------------------------------------------------------------------

/** Sends under way in this document, by wire id. */
const underWay = new Map();

/**
 * Sends at most once: what the page has under this id already is given back instead. One that has
 * failed there was refused, so it is handed over again, under the same id. `make` gives the fields
 * in which its kind differs (§4.3); what it does before must not be visible to anybody.
 */
async function sendOnce({ chat: chatId, wireId, replyTo }, ticket, make) {
  mustBeReady();
  for (const part of ["MsgKey", "sendMessage", "createWid"]) needed(part);
  // An earlier caller may have given up on it while it is still being made.
  const earlier = underWay.get(wireId);
  if (earlier) await ticket.wait("an earlier attempt at the same message", earlier.catch(() => undefined));
  const sending = sendUnlessThere({ chat: chatId, wireId, replyTo }, ticket, make);
  underWay.set(wireId, sending);
  try {
    return await sending;
  } finally {
    if (underWay.get(wireId) === sending) underWay.delete(wireId);
  }
}

async function sendUnlessThere({ chat: chatId, wireId, replyTo }, ticket, make) {
  const wanted = { chat: chatId, wireId, own: true };
  const existing = await findMessage(wanted, ticket);
  if (existing && !(Number(existing.ack) < 0)) return sentMessage(existing);
  await mustNotBeBlocked(chatId);

  const chat = await chatFor(chatId, ticket);
  const message = await newMessage(chat, wireId, await make(chat));
  if (replyTo) Object.assign(message, await quote(replyTo, chat, ticket));

  // From here on it may be sent; until here, running out of time means that it was not.
  ticket.step("the page to take the message");
  // Making it may have taken long.
  mustBeReady();
  ownSends.add(wireId);
  const key = keyText(message.id);
  const inPage = () => guarded("find", () => needed("messages").get(key)) ?? messageByWireId(wireId, true, [chatId, widText(chat.id)]);
  let taken;
  try {
    taken = await handOver(chat, message, inPage, ticket);
  } catch (error) {
    // Thrown late, with the message in the page: then it is the page's to send.
    taken = inPage();
    if (!taken || existing) throw error instanceof BridgeError || refusalOf(error) ? error : refused(words(error));
  }
  const sent = sentMessage(taken);
  // How it stood before says nothing of this time.
  return existing ? { ...sent, ack: Math.max(0, sent.ack) } : sent;
}

/** §4.3. The key's own account must have the kind of name that the chat has. */
async function newMessage(chat, wireId, content) {
  const toText = widText(chat.id);
  // A record's id may be a record too.
  const to = String(chat.id) === toText && typeof chat.id === "object" ? chat.id : widFor(toText);
  const me = meWids();
  const many = !isPerson(toText);
  mustNotBeCommunity(toText);
  const byPhone = isPhone(toText) || groupsByPhone(toText);
  const from = byPhone ? (me.phone ?? me.lid) : (me.lid ?? me.phone);
  if (!from) throw wrongMoment("the page does not know its own account yet");
  const participant = many && serverOf(toText) !== "newsletter" ? (attempt("asUserWid", from) ?? from) : undefined;
  const MsgKey = needed("MsgKey");
  const id = new MsgKey({ from, to, id: wireId, participant, selfDir: "out" });
  return {
    ack: 0,
    from,
    to,
    local: true,
    self: "out",
    t: Math.floor(native.now() / 1000),
    isNewMsg: true,
    // Without it a chat with disappearing messages would keep this one.
    ...(await within(3000, attempt("ephemeral", chat))),
    ...content,
    id,
  };
}

async function quote(key, chat, ticket) {
  const quoted = await lookUp(key, ticket);
  if (!quoted) throw refused("the message to reply to is not known to the page");
  if (look("canReply") && invoke("canReply", quoted.unsafe?.() ?? quoted) === false) {
    throw refused("that message cannot be replied to");
  }
  if (typeof quoted.msgContextInfo !== "function") throw missing("message.msgContextInfo");
  // The chat in some builds, its id in others (§4.4); making the fields has no effect elsewhere.
  try {
    return await quoted.msgContextInfo(chat);
  } catch {
    return await quoted.msgContextInfo(chat.id);
  }
}

/** Calls the page's send, and returns the message as soon as the page has it (§4.3). */
async function handOver(chat, message, inPage, ticket) {
  // A pair of promises, or in some builds a promise of the pair; the second settles late or never.
  const pair = Promise.resolve(invoke("sendMessage", chat, message));
  pair.then(
    (both) => Array.isArray(both) && both[1] && watchResult(message.id.id, both[1], inPage),
    () => undefined,
  );
  const taken = pair
    .then((both) => (Array.isArray(both) ? both[0] : both))
    .then((model) => (keyText(model?.id) ? model : (inPage() ?? appears(inPage, ticket))));
  return ticket.wait("the page to take the message", Promise.race([taken, appears(inPage, ticket)]));
}

/** The message, once the page's collection has it, whatever its promises do. */
async function appears(inPage, ticket) {
  for (;;) {
    await sleep(100);
    if (ticket.expired) return undefined;
    const message = inPage();
    if (message) return message;
  }
}

/** Results that say nothing of the message's fate: the page keeps it and sends it when it can. */
const UNDECIDED_RESULTS = ["ERROR_NETWORK", "ERROR_UNKNOWN"];

/** The server's word, whenever it comes; acks also come as events of the message. */
function watchResult(wireId, sending, inPage) {
  undecided.add(wireId);
  Promise.resolve(sending).finally(() => undecided.delete(wireId)).then(
    async (result) => {
      const outcome = typeof result === "string" ? result : result?.messageSendResult;
      if (outcome === undefined) return;
      // It may settle before the page shows the message.
      let message = inPage();
      for (let looks = 0; looks < 100 && !message; looks += 1) {
        await sleep(100);
        message = inPage();
      }
      if (!message) return;
      if (outcome === "OK") tellAck(message, Math.max(1, Number(message.ack) || 0));
      else {
        note("send.result", outcome);
        if (!UNDECIDED_RESULTS.includes(outcome)) tellAck(message, -1);
      }
    },
    (error) => {
      // Nothing is known of the message's fate: only what the page itself says of it is told.
      note("send.result", words(error));
      const message = inPage();
      if (!tellRefusal(message, error) && message && Number(message.ack) < 0) tellAck(message, message.ack);
    },
  ).catch((error) => note("fault.result", words(error)));
}

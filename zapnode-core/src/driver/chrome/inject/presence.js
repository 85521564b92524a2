// What others see of this account: that it is there, types, records, has seen what they wrote (fact
// sheet §4.7).

/** Whether the account is to be shown as available when nothing else asks for it. */
let stayAvailable = false;

const showAvailable = (on) => within(2000, attempt(on ? "presenceAvailable" : "presenceUnavailable"));

commands.available = async ({ on }, ticket) => {
  mustBeReady();
  await ticket.wait("the page to show whether the account is there", invoke(on ? "presenceAvailable" : "presenceUnavailable"));
  stayAvailable = on;
  return null;
};

commands.activity = async ({ chat, activity }, ticket) => {
  mustBeReady();
  const wid = widFor(chat);
  if (activity === "paused") {
    await ticket.wait("the page to show that nobody types", invoke("composingPaused", wid));
    if (!stayAvailable) await showAvailable(false);
    return null;
  }
  const part = activity === "recording" ? "recordingVoice" : "composing";
  needed(part);
  // While the account is shown as away, typing may not be passed on (§4.7).
  await showAvailable(true);
  await ticket.wait("the page to show what the account does", invoke(part, wid));
  return null;
};

/** A chat that the page has, under either name of the person. */
async function chatByAnyName(text) {
  const known = await identities(text);
  return [text, known.phone, known.lid].map((one) => one && chatInPage(one)).find(Boolean) ?? null;
}

commands.markSeen = async ({ chat: text }, ticket) => {
  mustBeReady();
  needed("sendSeen");
  const chat = await chatByAnyName(text);
  if (!chat) return null;
  ticket.step("the page to mark the chat as seen");
  const stream = optional("stream");
  guarded("available", () => stream?.markAvailable?.());
  try {
    await ticket.wait("the page to mark the chat as seen", sendSeen(chat));
  } finally {
    if (!stayAvailable) guarded("available", () => stream?.markUnavailable?.());
  }
  return null;
};

/** One object, or by position in older builds: there the wrong shape fails before it does anything. */
async function sendSeen(chat) {
  try {
    return await invoke("sendSeen", { chat, threadId: undefined });
  } catch (error) {
    if (!/markedUnread/.test(words(error))) throw error;
    return await invoke("sendSeen", chat, false);
  }
}

commands.markUnread = async ({ chat: text }, ticket) => {
  mustBeReady();
  needed("markUnread");
  const chat = (await chatByAnyName(text)) ?? (await chatFor(text, ticket));
  await ticket.wait("the page to mark the chat as unread", invoke("markUnread", chat, true));
  return null;
};

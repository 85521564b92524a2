// What is done to messages that are there: edit, take back, react, star, pin (fact sheet §4.4, §4.6).
// Each is asked of the page's own function, and done when the page shows it where it shows it.

const notAllowed = (why) => new BridgeError("notAllowed", why);

/** A message by its whole key, under whatever name its chat has by now, or `null`. */
function lookUp(key, ticket) {
  const [own, chat, wireId] = key.split("_");
  return findMessage({ key, chat, wireId, own: own === "true" }, ticket);
}

/** The message that something is to be done to. One that was taken back is there, and cannot be used. */
async function messageToUse(key, ticket) {
  const message = await lookUp(key, ticket);
  if (!message) throw new BridgeError("unknown", key);
  if (field(message, "type") === "revoked") throw notAllowed("the message was taken back");
  return message;
}

/**
 * Asks the page whether it would allow it. Where the page has none of these questions, or a question
 * fails, only the act itself can tell.
 */
function mustBeAllowed(parts, message, why) {
  let refusals = 0;
  for (const part of parts) {
    const hit = look(part);
    if (!hit) continue;
    try {
      if (hit.value.call(hit.owner, message)) return;
      refusals += 1;
    } catch (error) {
      note(`fault.${part}`, words(error));
      return;
    }
  }
  if (refusals > 0) throw notAllowed(why);
}

/** Waits until something holds. Not everything that a page does is told by an event. */
async function until(what, holds, ticket) {
  for (let pause = 20; ; pause = Math.min(2 * pause, 200)) {
    ticket.step(what);
    if (await holds()) return;
    await sleep(pause);
  }
}

/** Some calls say how it went (§4.3), others nothing. */
function mustBeOk(result) {
  const outcome = field(result, "messageSendResult");
  if (typeof outcome !== "string" || outcome === "OK") return;
  if (UNDECIDED_RESULTS.includes(outcome)) throw new BridgeError("timeout", `WhatsApp, and the page says ${outcome}`);
  throw refused(`the page says ${outcome}`);
}

commands.edit = async ({ id, text }, ticket) => {
  mustBeReady();
  const message = await messageToUse(id, ticket);
  if (!fromMe(message)) throw notAllowed("somebody else wrote the message");
  if (bodyOf(message) === text) return null;
  needed("sendEdit");
  mustBeAllowed(["canEditText", "canEditCaption"], message, "WhatsApp does not let this message be changed any more");
  // Those who are still named in it stay mentioned.
  const mentions = listOf(field(message, "mentionedJidList"));
  const mentionedJidList = mentions.filter((wid) => text.includes(`@${widText(wid)?.split("@")[0]}`));
  const groupMentions = listOf(field(message, "groupMentions"));
  await ticket.wait("WhatsApp to take the new text", invoke("sendEdit", message, text, { mentionedJidList, groupMentions }));
  await until("the page to show the new text", async () => bodyOf(await lookUp(id, ticket)) === text, ticket);
  return null;
};

commands.revoke = async ({ id, everyone }, ticket) => {
  mustBeReady();
  const message = await lookUp(id, ticket);
  if (!message) throw new BridgeError("unknown", id);
  const isGone = (one) => !one || (everyone && field(one, "type") === "revoked");
  if (isGone(message)) return null;
  needed(everyone ? "revokeMessages" : "deleteMessages");
  const why = fromMe(message)
    ? "WhatsApp does not let this message be taken back any more"
    : "somebody else wrote the message";
  if (everyone) mustBeAllowed(["canSenderRevoke", "canAdminRevoke"], message, why);
  const chat = await chatFor(chatOfMessage(message), ticket);
  const list = { list: [message], type: "message" };
  const asked = everyone
    ? invoke("revokeMessages", chat, list, { clearMedia: true })
    : invoke("deleteMessages", chat, list, true);
  await ticket.wait("WhatsApp to take the message back", asked);
  await until("the page to show that the message is gone", async () => isGone(await lookUp(id, ticket)), ticket);
  return null;
};

commands.react = async ({ id, emoji }, ticket) => {
  mustBeReady();
  const message = await messageToUse(id, ticket);
  needed("sendReaction");
  mustBeOk(await ticket.wait("WhatsApp to take the reaction", invoke("sendReaction", message, emoji)));
  return null;
};

commands.star = async ({ id, on }, ticket) => {
  mustBeReady();
  const message = await messageToUse(id, ticket);
  if (Boolean(field(message, "star")) === on) return null;
  const part = on ? "starMessages" : "unstarMessages";
  needed(part);
  mustBeAllowed(["canStar"], message, "WhatsApp does not let this message be starred");
  const chat = await chatFor(chatOfMessage(message), ticket);
  await ticket.wait("the page to star the message", invoke(part, chat, [message], false));
  const shown = async () => Boolean(field(await lookUp(id, ticket), "star")) === on;
  await until("the page to show the star", shown, ticket);
  return null;
};

/** Pins go one after the other: for the time of a call, the page's own choice of duration is ours. */
let pinning = Promise.resolve();

commands.pin = async ({ id, seconds }, ticket) => {
  mustBeReady();
  const message = await messageToUse(id, ticket);
  needed("sendPin");
  const turn = pinning.then(() => pinOnce(message, seconds, ticket));
  pinning = within(30000, turn);
  mustBeOk(await turn);
  return null;
};

async function pinOnce(message, seconds, ticket) {
  ticket.step("WhatsApp to pin the message");
  const choice = look("pinDuration");
  if (choice) choice.owner[choice.member] = () => seconds;
  try {
    return await ticket.wait("WhatsApp to pin the message", invoke("sendPin", message, seconds > 0 ? 1 : 2, seconds));
  } finally {
    if (choice) choice.owner[choice.member] = choice.value;
  }
}

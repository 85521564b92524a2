// Votes in polls: the page tells of them only by writing them to its database (fact sheet §5.1). And
// voting ourselves, and answering an event (§4.6).

const votesTold = new Recent(20000);

function votesWritten([rows]) {
  for (const row of Array.isArray(rows) ? rows : [rows]) guarded("vote", () => tellVote(row));
}

/** The ids of what was chosen: a list, or bytes. */
function chosenIds(given) {
  const list = given instanceof ArrayBuffer ? [...new Uint8Array(given)] : ArrayBuffer.isView(given) ? [...given] : listOf(given);
  return list.map(countOf).filter((id) => id !== null);
}

function tellVote(row) {
  const at = numberOf(field(row, "senderTimestampMs")) ?? numberOf(field(row, "t"));
  const poll = keyText(field(row, "pollUpdateParentKey") ?? field(row, "parentMsgKey"));
  if (at === null || !poll) return;
  const chat = poll.split("_")[1];
  const own = fromMe(row);
  const sender = widText(field(row, "author")) ?? widText(field(row, "sender")) ?? (own ? ownName(chat) : widText(field(row, "from")));
  const ids = chosenIds(field(row, "selectedOptionLocalIds"));
  if (!sender || !votesTold.add([poll, sender, ids.join(), at].join(" "))) return;
  tellInTurn("vote", async () => {
    // Old rows are written again when the page syncs.
    if (!isLive(at)) return null;
    const message = await lookUp(poll, new Ticket()).catch(() => null);
    const options = listOf(field(message, "pollOptions"));
    const nameOf = (id) => textOrNull(field(options.find((one) => countOf(field(one, "localId")) === id), "name"));
    return {
      poll,
      chat,
      question: textOrNull(field(message, "pollName")),
      choices: ids.map((id) => ({ id, name: nameOf(id) })),
      fromMe: own || isMe(sender),
      from: await person(sender),
      at: Math.trunc(at),
    };
  });
}

const voteHooks = [
  { name: "votes", feature: "votes", attach: () => lookOver("voteTable", "vote", votesWritten) },
];

commands.vote = async ({ id, options }, ticket) => {
  mustBeReady();
  const message = await messageToUse(id, ticket);
  if (field(message, "type") !== "poll_creation") throw notAllowed("the message is no poll");
  needed("sendVote");
  const known = listOf(field(message, "pollOptions"));
  const ids = options.map((name) => field(known.find((one) => field(one, "name") === name), "localId"));
  if (ids.some((one) => one === undefined)) throw notAllowed("the poll has no such answer");
  if (numberOf(field(message, "pollSelectableOptionsCount")) === 1 && ids.length > 1) {
    throw notAllowed("one can choose only one answer of this poll");
  }
  mustBeOk(await ticket.wait("WhatsApp to take the vote", invoke("sendVote", message, new Set(ids))));
  return null;
};

const EVENTS = new Set(["event_creation", "scheduled_event_creation"]);

commands.answerEvent = async ({ id, answer }, ticket) => {
  mustBeReady();
  const message = await messageToUse(id, ticket);
  if (!EVENTS.has(field(message, "type"))) throw notAllowed("the message is no event");
  needed("answerEvent");
  mustBeOk(await ticket.wait("WhatsApp to take the answer", invoke("answerEvent", answer, message)));
  return null;
};

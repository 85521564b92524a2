// What the page shows in a chat and nobody wrote (fact sheet §5.4, §5.6): keys that changed, numbers
// that changed, missed calls, disappearing messages turned on. Those of groups are told elsewhere.

const SYSTEM = new Set([
  "e2e_notification", "notification", "notification_template", "broadcast_notification",
  "newsletter_notification", "call_log",
]);

const isNotice = (message) => SYSTEM.has(field(message, "type"));

function tellNotice(message) {
  const id = keyText(message.id);
  if (!id || !told.add(id)) return;
  const read = (name) => field(message, name);
  const chat = chatOfMessage(message);
  const kind = read("type");
  const word = textOrNull(read("subtype"));
  const notice = { id, isOld: !read("isNewMsg"), chat, kind, word, text: textOrNull(read("body")), at: secondsOf(message) };
  const by = widText(read("author"));
  let others = widTexts(read("recipients"));
  if (word === "change_number") {
    // The new name first, then the old one.
    const now = widText(read("to"));
    others = [now, ...widTexts(read("templateParams")).filter((one) => one !== now)].filter(Boolean);
  }
  tellInTurn("notice", async () => {
    const [actor, concerned] = await Promise.all([person(by), people(others)]);
    return { ...notice, by: actor, people: concerned };
  });
}

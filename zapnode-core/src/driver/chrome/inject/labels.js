// Labels of WhatsApp Business (fact sheet §6).

const BUSINESS = ["smba", "smbi"];

function mustBeBusiness() {
  mustBeReady();
  const platform = textOrNull(field(optional("conn"), "platform"));
  if (platform && !BUSINESS.includes(platform)) throw new BridgeError("notAllowed", "only WhatsApp Business has labels");
}

function chatsOfLabel(label) {
  const items = listOf(field(label, "labelItemCollection"));
  const chats = items.filter((item) => field(item, "parentType") === "Chat").map((item) => widText(field(item, "parentId")));
  return [...new Set(chats.filter(Boolean))];
}

commands.labels = async () => {
  mustBeBusiness();
  return listOf(needed("labels")).map((label) => ({
    id: String(field(label, "id")),
    name: textOrNull(field(label, "name")) ?? "",
    color: textOrNull(field(label, "hexColor")),
    chats: chatsOfLabel(label),
  }));
};

commands.labelChats = async ({ label: id, change, chats: ids }, ticket) => {
  mustBeBusiness();
  const labels = needed("labels");
  if (typeof labels.addOrRemoveLabels !== "function") throw missing("WAWebCollections.Label.addOrRemoveLabels");
  const label = listOf(labels).find((one) => String(field(one, "id")) === id);
  if (!label) throw new BridgeError("noLabel", id);
  const chats = [];
  for (const chat of ids) chats.push(await chatFor(chat, ticket));
  ticket.step("WhatsApp to take the labels");
  await ticket.wait("WhatsApp to take the labels", labels.addOrRemoveLabels([{ id: label.id, type: change }], chats));
  return null;
};

// Showing a chat that somebody types (fact sheet §4.7).

commands.typing = async ({ chat, on }, ticket) => {
  mustBeReady();
  const wid = widFor(chat);
  if (on) {
    // While the account is shown as away, typing may not be passed on (§4.7).
    await within(2000, attempt("presenceAvailable"));
    await ticket.wait("the page to show that somebody types", invoke("composing", wid));
  } else {
    await ticket.wait("the page to end the typing", invoke("composingPaused", wid));
    await within(2000, attempt("presenceUnavailable"));
  }
  return null;
};

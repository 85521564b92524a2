// Small functions that run inside the page, written against the fact sheet's minimum path.

export async function qr() {
  const { Socket } = window.require('WAWebSocketModel');
  const { Conn } = window.require('WAWebConnModel');
  if (Socket.state !== 'UNPAIRED' || !Conn.ref) return null;
  const { encodeB64 } = window.require('WABase64');
  const noise = await window.require('WAWebUserPrefsInfoStore').waNoiseInfo.get();
  const registration = await window.require('WAWebSignalStoreApi').waSignalStore.getRegistrationInfo();
  return [
    Conn.ref,
    encodeB64(noise.staticKeyPair.pubKey),
    encodeB64(registration.identityKeyPair.pubKey),
    await window.require('WAWebUserPrefsMultiDevice').getADVSecretKey(),
    window.require('WAWebCompanionRegClientUtils').DEVICE_PLATFORM,
  ].join();
}

export async function noise() {
  const { staticKeyPair } = await window.require('WAWebUserPrefsInfoStore').waNoiseInfo.get();
  return window.require('WABase64').encodeB64(staticKeyPair.pubKey);
}

export function ready() {
  return window.require('WAWebSocketModel').Socket.hasSynced && window.require('WAWebStreamModel').Stream.mode === 'MAIN';
}

export function listen() {
  const { Msg } = window.require('WAWebCollections');
  window.heard = { acks: [], added: [] };
  Msg.on('change:ack', (msg, ack) => window.heard.acks.push([msg.id.toString(), ack]));
  Msg.on('add', (msg) => window.heard.added.push({ body: msg.body, type: msg.type, isNewMsg: msg.isNewMsg }));
}

export async function send(number, body, address) {
  const wid = window.require('WAWebWidFactory').createWid(`${number}@c.us`);
  const found = await window.require('WAWebQueryExistsJob').queryWidExists(wid);
  const { Chat } = window.require('WAWebCollections');
  const result = await window.require('WAWebFindChatAction').findOrCreateLatestChat(found.wid, 'createChat');
  const chat = Chat.get(result.chat.id);
  const me = window.require('WAWebUserPrefsMeUser');
  const from = chat.id.isLid() && address !== 'pn' ? me.getMaybeMeLidUser() : me.getMaybeMePnUser();
  const Key = window.require('WAWebMsgKey');
  const id = new Key({ from, to: chat.id, id: await Key.newId(), selfDir: 'out' });
  const t = Math.floor(Date.now() / 1000);
  const message = { id, ack: 0, body, from, to: chat.id, local: true, self: 'out', t, isNewMsg: true, type: 'chat' };
  const [added, settled] = await window.require('WAWebSendMsgChatAction').addAndSendMsgToChat(chat, message);
  await added;
  window.settled = settled;
  return id.toString();
}

// Sends, and says after `ms` what the second promise and the ack have come to.
export async function sendAndWatch(number, body, ms) {
  const wid = window.require('WAWebWidFactory').createWid(`${number}@c.us`);
  await window.require('WAWebQueryExistsJob').queryWidExists(wid);
  const { Chat, Msg } = window.require('WAWebCollections');
  const { chat } = await window.require('WAWebFindChatAction').findOrCreateLatestChat(wid);
  const from = window.require('WAWebUserPrefsMeUser').getMaybeMePnUser();
  const Key = window.require('WAWebMsgKey');
  const id = new Key({ from, to: chat.id, id: await Key.newId() });
  const message = { id, ack: 0, body, from, to: chat.id, t: 1, isNewMsg: true, type: 'chat' };
  const [added, settled] = await window.require('WAWebSendMsgChatAction').addAndSendMsgToChat(Chat.get(chat.id), message);
  await added;
  let result = null;
  settled.then((value) => (result = value.messageSendResult));
  await new Promise((resolve) => setTimeout(resolve, ms));
  return { result, acked: Msg.get(id).ack >= 1 };
}

// Both shapes of sendSeen: what becomes of each.
export async function seen(number) {
  const { Chat } = window.require('WAWebCollections');
  const chat = Chat.get(`${number}@c.us`);
  const { sendSeen } = window.require('WAWebUpdateUnreadChatAction');
  const outcome = (promise) => promise.then(() => 'ok', () => 'refused');
  return [await outcome(sendSeen({ chat, threadId: undefined })), await outcome(sendSeen(chat, false))];
}

export async function many(number, count) {
  const { Chat } = window.require('WAWebCollections');
  const chat = Chat.get(`${number}@c.us`);
  const from = window.require('WAWebUserPrefsMeUser').getMaybeMePnUser();
  const Key = window.require('WAWebMsgKey');
  const began = performance.now();
  const results = [];
  for (let n = 0; n < count; n++) {
    const id = new Key({ from, to: chat.id, id: await Key.newId() });
    const message = { id, ack: 0, body: `many ${n}`, from, to: chat.id, t: 1, isNewMsg: true, type: 'chat' };
    results.push(window.require('WAWebSendMsgChatAction').addAndSendMsgToChat(chat, message)[1]);
  }
  await Promise.all(results);
  return performance.now() - began;
}

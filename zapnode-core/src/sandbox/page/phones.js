// The page where people use the simulated phones: control interface by hand.
'use strict';

const words = {
  en: {
    title: 'Simulated phones',
    banner: 'Simulated phones — nothing here reaches the real WhatsApp',
    phones: 'Phones',
    newPhone: 'Another number, country code first',
    link: 'Link a device',
    scan: 'Scan',
    noQr: 'No page shows a QR right now.',
    shownSince: 'shown since',
    paste: 'Or paste a QR’s text, or type a pairing code',
    linkButton: 'Link',
    chats: 'Chats',
    noChats: 'No messages yet.',
    read: 'Mark as read',
    writeTo: 'Write to (number or group)',
    text: 'Message',
    send: 'Send',
    file: 'A file, to the same',
    fileAs: 'Sent as',
    caption: 'Caption',
    kinds: { image: 'Image', video: 'Video', gif: 'GIF (a video)', audio: 'Audio', ptt: 'Voice note', document: 'Document', sticker: 'Sticker (WebP)' },
    open: 'Open',
    viewOnce: 'can be viewed once',
    edit: 'Edit',
    editPrompt: 'The new text',
    revoke: 'Take back',
    remove: 'Delete here',
    react: 'React',
    reactPrompt: 'An emoji; nothing takes the reaction away',
    call: 'Call',
    groups: 'Groups',
    newGroup: 'Name of a new group',
    members: 'Members (numbers, separated by blanks)',
    create: 'Create',
    leave: 'Leave',
    join: 'Join',
    letIn: 'Let in',
    edited: 'edited',
    revoked: 'This message was taken back',
    logout: 'Remove linked devices',
    goOffline: 'Go offline',
    goOnline: 'Go online',
    online: 'online',
    offline: 'offline',
    devices: 'Linked devices',
    none: 'none',
    connected: 'connected',
    away: 'not connected',
    unknownSender: 'shown as an unknown sender',
    twice: 'sent more than once',
    lost: 'The sandbox does not answer. Trying again…',
    ack0: 'not delivered', ack1: 'sent', ack2: 'delivered', ack3: 'read',
  },
  pt: {
    title: 'Telefones simulados',
    banner: 'Telefones simulados — nada daqui chega ao WhatsApp verdadeiro',
    phones: 'Telefones',
    newPhone: 'Outro número, com código do país',
    link: 'Ligar um aparelho',
    scan: 'Ler o QR',
    noQr: 'Nenhuma página mostra um QR neste momento.',
    shownSince: 'visível desde',
    paste: 'Ou cole o texto de um QR, ou escreva um código de ligação',
    linkButton: 'Ligar',
    chats: 'Conversas',
    noChats: 'Ainda não há mensagens.',
    read: 'Marcar como lidas',
    writeTo: 'Escrever para (número ou grupo)',
    text: 'Mensagem',
    send: 'Enviar',
    file: 'Um ficheiro, para o mesmo destino',
    fileAs: 'Enviado como',
    caption: 'Legenda',
    kinds: { image: 'Imagem', video: 'Vídeo', gif: 'GIF (um vídeo)', audio: 'Áudio', ptt: 'Mensagem de voz', document: 'Documento', sticker: 'Figurinha (WebP)' },
    open: 'Abrir',
    viewOnce: 'só pode ser vista uma vez',
    edit: 'Editar',
    editPrompt: 'O novo texto',
    revoke: 'Apagar para todos',
    remove: 'Apagar só aqui',
    react: 'Reagir',
    reactPrompt: 'Um emoji; nada retira a reação',
    call: 'Ligar',
    groups: 'Grupos',
    newGroup: 'Nome de um novo grupo',
    members: 'Membros (números, separados por espaços)',
    create: 'Criar',
    leave: 'Sair',
    join: 'Entrar',
    letIn: 'Deixar entrar',
    edited: 'editada',
    revoked: 'Esta mensagem foi apagada',
    logout: 'Remover aparelhos ligados',
    goOffline: 'Ficar sem rede',
    goOnline: 'Voltar à rede',
    online: 'com rede',
    offline: 'sem rede',
    devices: 'Aparelhos ligados',
    none: 'nenhum',
    connected: 'ativo',
    away: 'inativo',
    unknownSender: 'aparece como remetente desconhecido',
    twice: 'enviada mais de uma vez',
    lost: 'O simulador não responde. A tentar de novo…',
    ack0: 'não entregue', ack1: 'enviada', ack2: 'entregue', ack3: 'lida',
  },
};
const language = (navigator.languages ?? [navigator.language]).map((one) => one.slice(0, 2)).find((one) => words[one]) ?? 'en';
const say = words[language];
const at = (id) => document.getElementById(id);

let state = null;
let number = decodeURIComponent(location.hash.slice(1)) || null;
let drawn = '';

function make(tag, props = {}, ...children) {
  const element = Object.assign(document.createElement(tag), props);
  element.append(...children);
  return element;
}

function trouble(text) {
  at('trouble').textContent = text ?? '';
  at('trouble').hidden = !text;
}

async function ask(path, body) {
  const response = await fetch(`/_sandbox/${path}`, body && {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

async function sendFile(file, query) {
  const response = await fetch(`/_sandbox/phones/${number}/file?${new URLSearchParams(query)}`, {
    method: 'POST',
    headers: { 'content-type': file.type || 'application/octet-stream' },
    body: file,
  });
  if (!response.ok) throw new Error((await response.json()).error);
}

// One action of the open phone; what goes wrong is shown.
async function act(action, body = {}) {
  trouble(null);
  try {
    await ask(`phones/${number}/${action}`, body);
    return true;
  } catch (error) {
    trouble(error.message);
    return false;
  }
}

const clock = (time) => new Date(time).toLocaleTimeString(language, { hour: '2-digit', minute: '2-digit', second: '2-digit' });

function drawPhones() {
  at('phones').replaceChildren(
    ...state.phones.map((phone) => {
      const button = make('button', { type: 'button', textContent: `${phone.name} · +${phone.number}` });
      button.setAttribute('aria-current', String(phone.number === number));
      button.onclick = () => openPhone(phone.number);
      return make('li', {}, button);
    }),
  );
}

function drawPhone(phone, messages) {
  at('phone').hidden = !phone;
  if (!phone) return;
  at('title').textContent = `${phone.name} · +${phone.number}`;
  const devices = phone.devices.map((device) => `${device.name} (${device.connected ? say.connected : say.away})`);
  at('about').textContent = `${phone.online ? say.online : say.offline} · ${say.devices}: ${devices.join(', ') || say.none}`;
  at('network').textContent = phone.online ? say.goOffline : say.goOnline;
  at('network').onclick = () => act(phone.online ? 'offline' : 'online');
  at('waiting').replaceChildren(
    ...(state.waiting.length
      ? state.waiting.map((one) => {
          const button = make('button', { type: 'button', textContent: say.scan });
          button.onclick = () => act('scan', { qr: one.qr });
          return make('li', { className: 'row' }, button, `${one.deviceName}, ${say.shownSince} ${clock(one.since)}`);
        })
      : [make('li', { textContent: say.noQr })]),
  );
  const chats = Map.groupBy(messages, (message) => message.group ?? message.chat);
  drawGroups();
  at('chats').replaceChildren(...(chats.size ? [...chats].map(drawChat) : [make('p', { textContent: say.noChats })]));
  for (const list of document.querySelectorAll('.messages')) list.scrollTop = list.scrollHeight;
}

// One of the open phone's acts as a button.
function actButton(text, act) {
  const button = make('button', { type: 'button', textContent: text });
  button.onclick = act;
  return button;
}

const nameOf = (phone) => state.phones.find((one) => one.number === phone)?.name ?? `+${phone}`;

function drawGroups() {
  at('groups').replaceChildren(
    ...state.groups.map((group) => {
      const inside = group.members.includes(number);
      const text = `${group.subject}: ${group.members.map(nameOf).join(', ')}`;
      const button = actButton(inside ? say.leave : say.join, () => act('group', { act: inside ? 'leave' : 'join', group: group.id }));
      const asking = group.admins.includes(number) ? group.requests : [];
      const letIn = asking.map((one) =>
        actButton(`${say.letIn}: ${nameOf(one)}`, () => act('group', { act: 'approve', group: group.id, members: [one] })),
      );
      return make('li', { className: 'row' }, button, text, ...letIn);
    }),
  );
  const groups = state.groups.filter((group) => group.members.includes(number));
  at('places').replaceChildren(
    ...state.phones.map((phone) => make('option', { value: phone.number, label: phone.name })),
    ...groups.map((group) => make('option', { value: group.id, label: group.subject })),
  );
}

function drawChat([chat, messages]) {
  const group = state.groups.find((one) => one.id === chat);
  const title = group ? group.subject : `${state.phones.find((phone) => phone.number === chat)?.name ?? ''} +${chat}`;
  const heading = make('header', {}, make('strong', { textContent: title }));
  heading.append(actButton(say.call, () => act('call', { to: chat })));
  if (messages.some((message) => !message.fromMe && message.ack < 3)) {
    const button = make('button', { type: 'button', textContent: say.read });
    button.onclick = () => act('read', { chat });
    heading.append(button);
  }
  const list = make('div', { className: 'messages' }, ...messages.slice(-100).map(drawMessage));
  return make('article', { className: 'chat' }, heading, list);
}

function drawMessage(message) {
  if (message.notice) {
    const { word, members } = message.notice;
    const text = [nameOf(message.chat), word, members.map(nameOf).join(', '), message.text].filter(Boolean).join(' · ');
    return make('div', { className: 'notice' }, text);
  }
  const about = make('small', { textContent: `${clock(message.at)} ` });
  if (message.group && !message.fromMe) about.prepend(`${nameOf(message.chat)} · `);
  if (message.fromMe) {
    const ticks = make('span', { className: message.ack >= 3 ? 'ticks read' : 'ticks', textContent: message.ack >= 2 ? '✓✓' : '✓' });
    ticks.title = say[`ack${Math.max(0, Math.min(3, message.ack))}`];
    about.append(ticks, ` ${ticks.title}`);
  }
  if (message.unknownSender) about.append(` · ${say.unknownSender}`);
  if (message.deliveries > 1) about.append(` · ${say.twice} (${message.deliveries})`);
  if (message.edited) about.append(` · ${say.edited}`);
  const reactions = Object.values(message.reactions);
  if (reactions.length) about.append(` ${reactions.join(' ')}`);
  if (message.marks.starred) about.append(' · ★');
  if (message.marks.pinnedUntil) about.append(' · 📌');
  const text = message.revoked ? make('em', { textContent: say.revoked }) : drawBody(message);
  const element = make('div', { className: message.fromMe ? 'message own' : 'message' }, text, about);
  if (!message.revoked && message.fields?.mediaKey) element.prepend(drawFile(message));
  if (!message.revoked) element.append(drawActs(message));
  return element;
}

// What a message says, by its kind.
function drawBody({ id, kind, text, fields, marks }) {
  const date = (seconds) => new Date(seconds * 1000).toLocaleString();
  switch (kind) {
    case 'location':
      return `📍 ${[fields.loc, `${fields.lat}, ${fields.lng}`].filter(Boolean).join(' · ')}`;
    case 'vcard':
      return `👤 ${fields.vcardFormattedName}`;
    case 'multi_vcard':
      return `👥 ${fields.vcardList.map((card) => card.displayName).join(', ')}`;
    case 'event_creation':
      return `📅 ${[fields.eventName, date(fields.eventStartTime), fields.eventLocation?.name].filter(Boolean).join(' · ')}`;
    case 'poll_creation':
      return drawPoll(id, fields, marks.votes);
    default: {
      const quoted = fields.quotedMsg ? make('blockquote', { textContent: fields.quotedMsg.body ?? fields.quotedMsg.type }) : '';
      return make('span', {}, quoted, text);
    }
  }
}

// Each answer is a button that chooses it, or takes it back.
function drawPoll(id, { pollName, pollOptions, pollSelectableOptionsCount }, votes) {
  const mine = votes[number] ?? [];
  const choose = (place) => {
    const others = pollSelectableOptionsCount === 1 ? [] : mine.filter((one) => one !== place);
    act('vote', { id, options: mine.includes(place) ? others.filter((one) => one !== place) : [...others, place] });
  };
  const answers = pollOptions.map(({ name }, place) => {
    const count = Object.values(votes).filter((chosen) => chosen.includes(place)).length;
    return make('li', {}, actButton(`${mine.includes(place) ? '☑' : '☐'} ${name}`, () => choose(place)), ` ${count}`);
  });
  return make('span', {}, `📊 ${pollName}`, make('ul', {}, ...answers));
}

// A message's file: shown where it can be, else to be opened.
function drawFile({ id, kind, fields }) {
  const src = `/_sandbox/phones/${number}/messages/${id}/file`;
  const about = [fields.filename, fields.isViewOnce && say.viewOnce].filter(Boolean).join(' · ');
  const box = make('span', { className: 'file' });
  if (kind === 'image' || kind === 'sticker') box.append(make('img', { src, alt: fields.filename ?? say.kinds[kind], loading: 'lazy' }));
  else if (kind === 'video') box.append(make('video', { src, controls: true, preload: 'metadata' }));
  else if (kind === 'audio' || kind === 'ptt') box.append(make('audio', { src, controls: true, preload: 'metadata' }));
  const link = make('a', { href: src, textContent: [say.kinds[kind] ?? say.open, about].filter(Boolean).join(' · ') });
  link.download = fields.filename ?? id;
  box.append(link);
  return box;
}

function drawActs({ id, fromMe, text }) {
  const acts = [
    actButton(say.react, () => {
      const emoji = prompt(say.reactPrompt, '👍');
      if (emoji !== null) act('react', { id, emoji });
    }),
    actButton(say.remove, () => act('delete', { id })),
  ];
  if (fromMe) {
    acts.push(
      actButton(say.edit, () => {
        const now = prompt(say.editPrompt, text);
        if (now) act('edit', { id, text: now });
      }),
      actButton(say.revoke, () => act('revoke', { id })),
    );
  }
  return make('span', { className: 'acts' }, ...acts);
}

async function draw() {
  const phone = state.phones.find((one) => one.number === number);
  const messages = phone ? (await ask(`phones/${number}/messages`)).messages : [];
  // Drawing anew would take the focus from a button, so only what changed is drawn.
  const now = JSON.stringify([number, state.phones, state.groups, state.waiting, messages]);
  if (now === drawn) return;
  drawn = now;
  drawPhones();
  drawPhone(phone, messages);
}

async function openPhone(wanted) {
  number = wanted;
  location.hash = wanted;
  trouble(null);
  await draw();
}

// A number's account comes to be when its phone does something; going online changes nothing else.
at('new-phone').onsubmit = async (event) => {
  event.preventDefault();
  const before = number;
  number = at('new-number').value.replace(/\D/g, '');
  if (!(await act('online'))) {
    number = before;
    return;
  }
  at('new-number').value = '';
  location.hash = number;
};
at('paste').onsubmit = async (event) => {
  event.preventDefault();
  const text = at('paste-text').value.trim();
  const done = text.includes(',') ? act('scan', { qr: text }) : act('code', { code: text });
  if (await done) at('paste-text').value = '';
};
at('write').onsubmit = async (event) => {
  event.preventDefault();
  if (await act('deliver', { to: at('write-to').value, text: at('write-text').value })) at('write-text').value = '';
};
const kindOf = ({ type }) => ({ image: 'image', video: 'video', audio: 'audio' })[type.split('/')[0]] ?? 'document';
at('attach-kind').append(...Object.entries(say.kinds).map(([value, textContent]) => make('option', { value, textContent })));
at('attach-file').onchange = ({ target }) => {
  if (target.files[0]) at('attach-kind').value = kindOf(target.files[0]);
};
at('attach').onsubmit = async (event) => {
  event.preventDefault();
  trouble(null);
  const file = at('attach-file').files[0];
  const query = { to: at('write-to').value, kind: at('attach-kind').value, caption: at('attach-caption').value };
  if (query.kind === 'document') query.name = file.name;
  try {
    await sendFile(file, query);
    event.target.reset();
  } catch (error) {
    trouble(error.message);
  }
};
at('new-group').onsubmit = async (event) => {
  event.preventDefault();
  const members = at('group-members').value.split(/[\s,;]+/).filter(Boolean);
  if (await act('group', { act: 'create', subject: at('group-name').value, members })) event.target.reset();
};
at('logout').onclick = () => act('logout');

async function follow() {
  document.documentElement.lang = language;
  document.title = say.title;
  for (const element of document.querySelectorAll('[data-text]')) element.textContent = say[element.dataset.text];
  let lost = false;
  for (;;) {
    try {
      state = await ask(state && !lost ? `state?since=${state.revision}` : 'state');
      if (lost) trouble(null);
      lost = false;
      number ??= state.phones[0]?.number ?? null;
      await draw();
    } catch {
      lost = true;
      trouble(say.lost);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}
follow();

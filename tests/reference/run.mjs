// whatsapp-web.js, as npm has it, through its life cycle on a running sandbox. See README.md.
//
//   node run.mjs --control http://127.0.0.1:PORT/ --https-port PORT [--chromium PATH] [--verbose]

import { mkdtemp, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Sandbox } from './sandbox.mjs';
import { Checks } from './checks.mjs';
import { open } from './client.mjs';

const { values: options } = parseArgs({
  options: {
    control: { type: 'string', default: process.env.SANDBOX_CONTROL },
    'https-port': { type: 'string', default: process.env.SANDBOX_HTTPS_PORT },
    chromium: { type: 'string', default: process.env.CHROME_PATH ?? '/usr/bin/chromium' },
    verbose: { type: 'boolean', default: false },
  },
});
if (!options.control || !options['https-port']) {
  console.error('run.mjs needs --control URL and --https-port PORT of a running sandbox');
  process.exit(2);
}

const ANA = '244929782402';
const BRUNO = '5511912345678';
const CARLA = '5511912345679'; // ends in an odd digit: addressed by LID

const sandbox = new Sandbox(options.control);
const checks = new Checks();
const folder = await mkdtemp(join(tmpdir(), 'zapnode-reference-'));
const clients = [];
const start = (clientId, more) => {
  const client = open({
    clientId,
    folder,
    httpsPort: options['https-port'],
    chromium: options.chromium,
    verbose: options.verbose,
    ...more,
  });
  clients.push(client);
  return client;
};

// What goes wrong inside the package's own event handlers is shown, and judged by the checks.
process.on('unhandledRejection', (error) => {
  if (options.verbose) console.log(`# unhandled in the package: ${error?.stack ?? error}`);
});

async function linkByQr() {
  const ana = start('a');
  const first = await checks.run('qr', () => ana.next('qr', ([qr]) => !qr.startsWith('null')));
  const second = await checks.run('qr rotation', () => ana.next('qr', ([qr]) => !qr.startsWith('null') && qr !== first?.[0]));
  await checks.run('scan', () => sandbox.phone(ANA, 'scan', { qr: second[0] }));
  await checks.run('authenticated', () => ana.next('authenticated'));
  await checks.run('ready', () => ana.next('ready'));
  await checks.run('info', () => {
    const { wid, pushname } = ana.client.info;
    checks.equal(wid._serialized, `${ANA}@c.us`);
    checks.equal(pushname, 'Ana (sandbox)');
  });
  await checks.run('getState', async () => checks.equal(await ana.client.getState(), 'CONNECTED'));
  return ana;
}

async function numbers({ client }) {
  await checks.run('sendMessage to a LID chat without mapping is refused', async () => {
    const error = await client.sendMessage(`${CARLA}@c.us`, 'too early').then(() => null, (error) => error);
    checks.match(error?.message, /No LID for user/);
  });
  await checks.run('getNumberId, known', async () => {
    checks.equal((await client.getNumberId(BRUNO))._serialized, `${BRUNO}@c.us`);
    checks.equal((await client.getNumberId(CARLA))._serialized, `${CARLA}@c.us`);
  });
  await checks.run('getNumberId, unknown', async () => checks.equal(await client.getNumberId('000912345678'), null));
}

async function sending(ana) {
  const text = 'Olá 👋🏽, linha 1\nlinha 2';
  const created = ana.next('message_create', ([message]) => message.body === text);
  const acks = [1, 2].map((wanted) => ana.next('message_ack', ([message, ack]) => message.body === text && ack === wanted));
  let sent;
  await checks.run('sendMessage text', async () => {
    sent = await ana.client.sendMessage(`${BRUNO}@c.us`, text);
    checks.match(sent?.id?._serialized, /^true_5511912345678@c\.us_3EB0[0-9A-F]{18}$/);
    const onPhone = (await sandbox.messages(BRUNO)).find(({ id }) => id === sent.id.id);
    checks.equal(onPhone?.text, text);
    checks.equal(onPhone.unknownSender, false);
  });
  await checks.run('message_create', () => created);
  await checks.run('message_ack 1', () => acks[0]);
  await checks.run('message_ack 2', () => acks[1]);
  const read = ana.next('message_ack', ([message, ack]) => message.body === text && ack === 3);
  await checks.run('message_ack 3', async () => {
    await sandbox.phone(BRUNO, 'read', { chat: ANA });
    await read;
  });
  await checks.run('sendMessage to a LID chat', async () => {
    const message = await ana.client.sendMessage(`${CARLA}@c.us`, 'para Carla');
    checks.match(message?.id?._serialized, /^true_\d+@lid_3EB0/);
    const onPhone = (await sandbox.messages(CARLA)).find(({ id }) => id === message.id.id);
    checks.equal(onPhone?.unknownSender, false);
  });
}

async function receiving(ana) {
  let incoming;
  await checks.run('message', async () => {
    const heard = ana.next('message', ([message]) => message.body === 'oi Ana');
    await sandbox.phone(BRUNO, 'deliver', { to: ANA, text: 'oi Ana' });
    [incoming] = await heard;
    checks.equal(incoming.from, `${BRUNO}@c.us`);
    checks.equal(incoming.to, `${ANA}@c.us`);
    checks.equal(incoming.fromMe, false);
  });
  await checks.run('message from a LID chat', async () => {
    const heard = ana.next('message', ([message]) => message.body === 'oi da Carla');
    await sandbox.phone(CARLA, 'deliver', { to: ANA, text: 'oi da Carla' });
    const [message] = await heard;
    checks.match(message.from, /^\d+@lid$/);
  });
  await checks.run('message_create of the own phone', async () => {
    const heard = ana.next('message_create', ([message]) => message.body === 'do telefone');
    await sandbox.phone(ANA, 'deliver', { to: BRUNO, text: 'do telefone' });
    const [message] = await heard;
    checks.equal(message.fromMe, true);
  });
  await checks.run('reply quotes', async () => {
    const reply = await incoming.reply('resposta');
    checks.equal(reply.hasQuotedMsg, true);
    const onPhone = (await sandbox.messages(BRUNO)).find(({ id }) => id === reply.id.id);
    checks.equal(onPhone?.quoted, incoming.id.id);
  });
  await checks.run('getChats', async () => {
    const chats = await ana.client.getChats();
    checks.equal(chats.length, 2);
    const bruno = chats.find((chat) => chat.id._serialized === `${BRUNO}@c.us`);
    checks.equal(bruno?.name, 'Bruno (sandbox)');
    checks.equal(bruno.lastMessage?.body, 'oi Ana');
  });
}

async function happenings(ana) {
  const write = async (text) => (await sandbox.phone(BRUNO, 'deliver', { to: ANA, text })).id;
  const heard = ana.next('message', ([message]) => message.body === 'com erro');
  const id = await write('com erro');
  await checks.run('message to be changed', () => heard);
  await checks.run('message_edit', async () => {
    const edited = ana.next('message_edit');
    await sandbox.phone(BRUNO, 'edit', { id, text: 'sem erro' });
    const [message, now, before] = await edited;
    checks.equal([message.id.id, now, before], [id, 'sem erro', 'com erro']);
  });
  await checks.run('message_reaction', async () => {
    const reacted = ana.next('message_reaction');
    await sandbox.phone(BRUNO, 'react', { id, emoji: '👍' });
    const [reaction] = await reacted;
    checks.equal([reaction.msgId.id, reaction.reaction, reaction.senderId], [id, '👍', `${BRUNO}@c.us`]);
  });
  await checks.run('message_reaction taken away', async () => {
    const gone = ana.next('message_reaction', ([reaction]) => reaction.reaction === '');
    await sandbox.phone(BRUNO, 'react', { id, emoji: '' });
    await gone;
  });
  await checks.run('message_revoke_everyone', async () => {
    const revoked = ana.next('message_revoke_everyone');
    await sandbox.phone(BRUNO, 'revoke', { id });
    const [, before] = await revoked;
    checks.equal([before?.id.id, before?.body], [id, 'sem erro']);
  });
  await checks.run('message_revoke_me', async () => {
    const other = await write('só aqui');
    await ana.next('message', ([message]) => message.body === 'só aqui');
    const deleted = ana.next('message_revoke_me');
    await sandbox.phone(ANA, 'delete', { id: other });
    const [message] = await deleted;
    checks.equal(message.id.id, other);
  });
  await checks.run('call', async () => {
    const called = ana.next('call');
    const { call } = await sandbox.phone(BRUNO, 'call', { to: ANA, video: true });
    const [incoming] = await called;
    checks.equal([incoming.id, incoming.isVideo, incoming.fromMe], [call, true, false]);
    checks.equal(incoming.from._serialized, `${BRUNO}@c.us`);
  });
}

async function groups(ana) {
  let group;
  await checks.run('group_join', async () => {
    const joined = ana.next('group_join');
    ({ group } = await sandbox.phone(BRUNO, 'group', { act: 'create', subject: 'Obra', members: [ANA, CARLA] }));
    const [notification] = await joined;
    checks.equal([notification.chatId, notification.recipientIds.length], [group, 2]);
    checks.match(notification.author, /^\d+@lid$/);
  });
  await checks.run('message in a group', async () => {
    const heard = ana.next('message', ([message]) => message.body === 'no grupo');
    await sandbox.phone(CARLA, 'deliver', { to: group, text: 'no grupo' });
    const [message] = await heard;
    checks.equal(message.from, group);
    checks.match(message.author, /^\d+@lid$/);
  });
  await checks.run('sendMessage to a group', async () => {
    const sent = await ana.client.sendMessage(group, 'para todos');
    const onPhone = (await sandbox.messages(CARLA)).find(({ id }) => id === sent?.id?.id);
    checks.equal([onPhone?.text, onPhone?.group, onPhone?.unknownSender], ['para todos', group, false]);
  });
  for (const [name, body] of [
    ['group_admin_changed', { act: 'promote', members: [ANA] }],
    ['group_update', { act: 'subject', text: 'Outra obra' }],
    ['group_leave', { act: 'remove', members: [CARLA] }],
  ])
    await checks.run(name, async () => {
      const told = ana.next(name, ([notification]) => notification.type === body.act);
      await sandbox.phone(BRUNO, 'group', { group, ...body });
      checks.equal((await told)[0].chatId, group);
    });
}

async function ownGroups(ana) {
  const { client } = ana;
  let group;
  await checks.run('createGroup', async () => {
    const made = await client.createGroup('Prédio', [`${BRUNO}@c.us`, '0001234567@c.us'], { membershipApprovalMode: true });
    group = made.gid?._serialized;
    checks.match(group, /^120363\d+@g\.us$/);
    const codes = Object.fromEntries(Object.entries(made.participants).map(([id, { statusCode }]) => [id, statusCode]));
    checks.equal(codes, { [`${ANA}@c.us`]: 200, [`${BRUNO}@c.us`]: 200, '0001234567@c.us': 404 });
  });
  const chat = await client.getChatById(group);
  await checks.run('sendMessage to the group, and an answer', async () => {
    const heard = ana.next('message', ([message]) => message.body === 'olá, Ana' && message.from === group);
    const taken = ana.next('message_ack', ([message]) => message.body === 'olá, prédio');
    const sent = await client.sendMessage(group, 'olá, prédio');
    await taken;
    checks.equal((await sandbox.messages(BRUNO)).find(({ id }) => id === sent?.id?.id)?.group, group);
    await sandbox.phone(BRUNO, 'deliver', { to: group, text: 'olá, Ana' });
    await heard;
  });
  await checks.run('participants', async () => {
    checks.equal(chat.participants.map(({ id }) => id._serialized).sort(), [`${ANA}@c.us`, `${BRUNO}@c.us`].sort());
    const added = await chat.addParticipants([`${CARLA}@c.us`, '0001234567@c.us'], { sleep: null });
    checks.equal([added[`${CARLA}@c.us`].code, added['0001234567@c.us'].code], [200, 404]);
    await chat.promoteParticipants([`${CARLA}@c.us`]);
    await chat.removeParticipants([`${BRUNO}@c.us`]);
    const now = (await sandbox.groups()).find(({ id }) => id === group);
    checks.equal([now.members, now.admins], [[ANA, CARLA].sort(), [ANA, CARLA].sort()]);
  });
  await checks.run('subject, description, settings', async () => {
    checks.equal(await chat.setSubject('Prédio 2'), true);
    checks.equal(await chat.setDescription('betão'), true);
    checks.equal(await chat.setMessagesAdminsOnly(true), true);
    checks.equal(await chat.setAddMembersAdminsOnly(true), true);
    const now = (await sandbox.groups()).find(({ id }) => id === group);
    checks.equal([now.subject, now.description, now.settings.announce, now.settings.adminsAdd], ['Prédio 2', 'betão', true, true]);
  });
  await checks.run('invite, and a request to join', async () => {
    const code = await chat.getInviteCode();
    checks.equal((await client.getInviteInfo(code)).subject, 'Prédio 2');
    checks.equal((await chat.revokeInvite()) === code, false);
    await sandbox.phone(BRUNO, 'group', { act: 'requestToJoin', group });
    checks.equal((await chat.getGroupMembershipRequests()).length, 1);
    const answers = await chat.approveGroupMembershipRequests({ sleep: null });
    checks.equal(answers.map(({ message }) => message), ['Approved successfully']);
  });
  await checks.run('leave', async () => {
    await chat.leave();
    checks.equal((await sandbox.groups()).find(({ id }) => id === group).members.includes(ANA), false);
  });
  await checks.run('acceptInvite', async () => {
    const { group: theirs } = await sandbox.phone(BRUNO, 'group', { act: 'create', subject: 'Deles' });
    const { code } = await sandbox.phone(BRUNO, 'group', { act: 'invite', group: theirs });
    checks.equal(await client.acceptInvite(code), theirs);
  });
}

async function restart(before) {
  await checks.run('destroy', () => before.client.destroy());
  await sandbox.phone(BRUNO, 'deliver', { to: ANA, text: 'enquanto dormias' });
  const ana = start('a');
  await checks.run('ready again without a QR', async () => {
    await ana.next('ready');
    checks.equal(ana.count('qr'), 0);
  });
  await checks.run('what came meanwhile is there', async () => {
    const chat = await ana.client.getChatById(`${BRUNO}@c.us`);
    const messages = await chat.fetchMessages({ limit: 20 });
    checks.equal(messages.filter(({ body }) => body === 'enquanto dormias').length, 1);
  });
  return ana;
}

async function remoteLogout(ana) {
  await checks.run('remote logout: disconnected', async () => {
    const heard = ana.next('disconnected');
    await sandbox.phone(ANA, 'logout');
    const [reason] = await heard;
    checks.equal(reason, 'LOGOUT');
  });
  await checks.run('a QR again after it', () => ana.next('qr'));
  await checks.run('destroy after it', () => ana.client.destroy());
}

async function ownLogout() {
  const ana = start('b');
  const [qr] = await ana.next('qr', ([qr]) => !qr.startsWith('null'));
  await sandbox.phone(ANA, 'scan', { qr });
  await ana.next('ready');
  await checks.run('client.logout', async () => {
    checks.equal(await sandbox.devices(ANA), 1);
    await ana.client.logout();
    checks.equal(await sandbox.devices(ANA), 0);
    checks.equal(existsSync(join(folder, 'session-b')), false);
  });
}

async function pairingCode() {
  const carla = start('c', { phoneNumber: CARLA });
  let code;
  await checks.run('code', async () => {
    [code] = await carla.next('code');
    checks.match(code, /^[0-9A-Z]{8}$/);
  });
  await checks.run('ready by pairing code', async () => {
    await sandbox.phone(CARLA, 'code', { code });
    await carla.next('ready');
    checks.equal(carla.client.info.wid._serialized, `${CARLA}@c.us`);
  });
  await checks.run('destroy', () => carla.client.destroy());
}

try {
  // What 1.34.7 needs of an older build: the key's string under its old name, and the call
  // collection there at the moment of ready. A sync long enough for it to listen in time: it does
  // not look whether hasSynced is true already. Short references, so that one is seen to rotate.
  await sandbox.faults({
    reset: true,
    msgKey: 'serialized',
    callCollection: 'present',
    syncMs: 2000,
    firstRefMs: 3000,
    nextRefMs: 4000,
  });
  const ana = await linkByQr();
  await numbers(ana);
  await sending(ana);
  await receiving(ana);
  await happenings(ana);
  await groups(ana);
  await ownGroups(ana);
  await remoteLogout(await restart(ana));
  await ownLogout();
  await pairingCode();
} catch (error) {
  checks.fail('the run went through', error);
} finally {
  await Promise.allSettled(clients.map(({ client }) => client.pupBrowser?.close()));
  await sandbox.faults({ reset: true }).catch(() => {});
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
process.exit(checks.summary());

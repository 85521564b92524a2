// Messages that are neither words nor files (fact sheet §4.4, §4.6): contacts, places, polls, events,
// and what is passed on.
if (!window.__sandboxRefused) {
  __d('SandboxKinds', (_require, exports) => {
    const isSecret = (value) => value instanceof Uint8Array && value.length === 32;
    const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);
    const rules = {
      location: (message) => isNumber(message.lat) && isNumber(message.lng),
      vcard: (message) => typeof message.body === 'string' && message.body.startsWith('BEGIN:VCARD') && typeof message.vcardFormattedName === 'string',
      multi_vcard: (message) =>
        message.body === null && message.vcardList?.length > 1 && message.vcardList.every((card) => card.vcard?.startsWith('BEGIN:VCARD') && card.displayName),
      poll_creation: (message) =>
        message.kind === 'pollCreation' &&
        typeof message.pollName === 'string' &&
        message.pollOptions?.length > 1 &&
        message.pollOptions.every((option, place) => typeof option.name === 'string' && option.localId === place) &&
        [0, 1].includes(message.pollSelectableOptionsCount) &&
        isSecret(message.messageSecret),
      event_creation: (message) => typeof message.eventName === 'string' && isNumber(message.eventStartTime) && isSecret(message.messageSecret),
    };
    exports.check = (message) => {
      const rule = rules[message.type];
      if (rule && !rule(message)) throw new TypeError(`addAndSendMsgToChat: a ${message.type} lacks something`);
    };
  }, { stage: 'sandbox' });

  // What is made of a message before it is encrypted; whoever sends places has to replace both.
  __d('WAWebBackendJobsCommon', (_require, exports) => {
    exports.mediaTypeFromProtobuf = (proto) => (proto.locationMessage ? 'location' : null);
  });
  __d('WAWebE2EProtoUtils', (_require, exports) => {
    exports.typeAttributeFromProtobuf = (proto) => (proto.locationMessage || proto.groupInviteMessage ? 'media' : 'text');
  });

  __d('WAWebLinkPreviewChatAction', (require, exports) => {
    const { config } = require('SandboxLoader');
    exports.getLinkPreview = async ({ href }) => {
      await new Promise((resolve) => setTimeout(resolve, config.faults.linkPreviewMs));
      const data = { title: `About ${new URL(href).host}`, description: 'A simulated page', canonicalUrl: href, matchedText: href, richPreviewType: 0, doNotPlayInline: true };
      return { url: href, data };
    };
  });

  __d('WAWebFrontendVcardUtils', (_require, exports) => {
    exports.vcardFromContactModel = (contact) => {
      const displayName = contact.formattedName;
      const number = contact.id.user;
      return { displayName, vcard: `BEGIN:VCARD\nVERSION:3.0\nN:;${displayName};;;\nFN:${displayName}\nTEL;type=CELL;waid=${number}:+${number}\nEND:VCARD` };
    };
  });
  __d('WAWebVcardParsingUtils', (_require, exports) => {
    exports.parseVcard = (text) => ({ name: /^FN:(.*)$/m.exec(text)?.[1] ?? '' });
  });
  __d('WAWebVcardGetNameFromParsed', (_require, exports) => {
    exports.vcardGetNameFromParsed = (parsed) => parsed.name;
  });

  __d('WAWebGenerateEventCallLink', (_require, exports) => {
    exports.createEventCallLink = async (startTime, kind) => {
      if (typeof startTime !== 'number' || (kind !== 'voice' && kind !== 'video')) throw new Error('createEventCallLink: wrong arguments');
      return `https://call.whatsapp.com/${kind}/sandbox${startTime}`;
    };
  });

  __d('WAWebPollsSendVoteMsgAction', (require, exports) => {
    exports.sendVote = async (msg, chosen) => {
      if (msg.type !== 'poll_creation' || !(chosen instanceof Set)) throw new Error('sendVote: wrong arguments');
      await require('SandboxActions').act(msg, { a: 'vote', options: [...chosen] });
    };
  });
  __d('WAWebPollsVotesSchema', (require, exports) => {
    exports.getTable = () => ({
      equals: async ([field], value) => {
        const rows = await require('SandboxStorage').all('vote');
        return rows.map(({ row }) => row).filter((row) => row[field] === value);
      },
    });
  });
  __d('WAWebSendEventResponseMsgAction', (require, exports) => {
    exports.sendEventResponseMsg = async (answer, msg) => {
      if (![0, 1, 2, 3].includes(answer) || msg.type !== 'event_creation') throw new Error('sendEventResponseMsg: wrong arguments');
      await require('SandboxActions').act(msg, { a: 'answer', answer });
    };
  });

  __d('WAWebChatForwardMessage', (require, exports) => {
    const { Chat } = require('WAWebCollections');
    const { config } = require('SandboxLoader');
    const { MsgKey } = require('SandboxIds');
    const me = require('WAWebUserPrefsMeUser');
    const { asUserWidOrThrow } = require('WAWebWidFactory');

    // A build may also take its ids from elsewhere.
    const ownId = async () => `3EB0${crypto.randomUUID().replaceAll('-', '').slice(0, 18).toUpperCase()}`;
    exports.forwardMessages = async ({ chat, msgs, multicast }) => {
      const model = Chat.get(chat?.id);
      if (!model || !Array.isArray(msgs) || multicast !== true) throw new TypeError('forwardMessages: wrong arguments');
      for (const msg of msgs) {
        const lid = model.id.isLid() || model.groupMetadata?.isLidAddressingMode;
        const from = lid ? me.getMaybeMeLidUser() : me.getMaybeMePnUser();
        const short = await (config.faults.forwardKey === 'own' ? ownId() : MsgKey.newId());
        const participant = model.id.isGroup() ? asUserWidOrThrow(from) : undefined;
        const { quotedMsg: _quoted, ...fields } = require('SandboxSend').fieldsOf(msg);
        const secret = msg.type === 'poll_creation' || msg.type === 'event_creation' ? { messageSecret: crypto.getRandomValues(new Uint8Array(32)) } : {};
        const message = {
          ...require('SandboxMedia').revive(fields),
          ...secret,
          id: new MsgKey({ from, to: model.id, id: short, participant, selfDir: 'out' }),
          ack: 0,
          body: msg.type === 'multi_vcard' ? null : msg.body,
          kind: msg.type === 'poll_creation' ? 'pollCreation' : undefined,
          type: msg.type,
          from,
          to: model.id,
          local: true,
          self: 'out',
          t: Math.floor(Date.now() / 1000),
          isNewMsg: true,
          isForwarded: true,
          forwardingScore: (msg.forwardingScore ?? 0) + 1,
        };
        const [added] = require('WAWebSendMsgChatAction').addAndSendMsgToChat(model, message);
        await added;
      }
    };
  }, { stage: 'forward' });
}
